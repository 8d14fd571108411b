select "ID" as id, "Prix TTC" as prix_ttc, "Quantité" * 2 as "Double" from files.events
