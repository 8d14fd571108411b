-- One row a payment, also those that were refused or paid back. The client comes from the order, and stays NULL
-- while the order is not known yet.
select
    p.payment_id,
    p.order_id,
    o.client_id,
    p.paid_on,
    p.method,
    p.status,
    p.amount
from stg_payments as p
left join stg_orders as o on o.order_id = p.order_id
