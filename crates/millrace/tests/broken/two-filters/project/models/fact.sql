select id, amount from files.orders
