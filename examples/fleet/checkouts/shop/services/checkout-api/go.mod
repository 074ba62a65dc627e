module acme.example/checkout-api

go 1.24
