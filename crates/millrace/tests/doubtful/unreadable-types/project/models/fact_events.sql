-- The last line is as it should be.
select
    *,
    [id, hits] as both_numbers,
    {'a': id} as pair,
    cast(payload ->> 'session' as uuid) as session,
    cast(payload as varchar) as payload_text
from files.events
