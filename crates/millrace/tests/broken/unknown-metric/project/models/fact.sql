select id, day, amount from files.orders
