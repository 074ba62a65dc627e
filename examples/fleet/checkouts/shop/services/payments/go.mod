module acme.example/payments

go 1.24
