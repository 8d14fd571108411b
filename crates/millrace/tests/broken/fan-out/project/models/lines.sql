select id, status from files.orders
