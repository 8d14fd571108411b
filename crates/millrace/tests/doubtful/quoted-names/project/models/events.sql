select * from files.events
