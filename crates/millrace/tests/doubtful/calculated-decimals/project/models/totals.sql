select
    id,
    serial,
    amount,
    coalesce(amount, fee) as either,
    cast(sum(amount) over () as decimal(38, 2)) as total,
    amount - fee as net,
    coalesce(fee, 0) as fee,
    case when id > 1 then amount else round(amount, 1) end as rounded,
    amount > fee as is_gain,
    serial + 1 as next_serial
from files.events
