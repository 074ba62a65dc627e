console.log('Thank you for your order');
