module greedy

go 1.24
