select
    e.id,
    e.photo as picture,
    e.lasted
from files.events as e
