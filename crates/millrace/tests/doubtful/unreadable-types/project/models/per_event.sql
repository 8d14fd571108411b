select
    e.id,
    sum(hits) as hits,
    cast(sum(hits) as bigint) as hits_again
from fact_events as e
group by e.id
