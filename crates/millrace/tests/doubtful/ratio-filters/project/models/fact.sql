select id, status, day, amount from files.orders
