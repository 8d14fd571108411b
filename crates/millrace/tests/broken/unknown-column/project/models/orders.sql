select id,
       statu
from files.orders
