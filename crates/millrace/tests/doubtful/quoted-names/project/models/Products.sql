select "ID" as id from files.events
