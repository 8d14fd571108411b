select * from more where twice > 1
