select id, statsu, day, amount from files.orders
