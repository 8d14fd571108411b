select id, state, day, amount from files.orders
