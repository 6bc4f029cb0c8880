-- What the threads leave in a variable comes back as a table with one value a thread:
-- here the descriptors of the sockets that each of them opened.

local sockets = collect({})

local function on_socket(sockfd)
  sockets[#sockets + 1] = sockfd
end

client_socket(on_socket)
server_socket(on_socket)

run()

for i in tid_iter() do
  print(string.format("Thread-%02d: %d sockets: %s", i, #sockets[i],
                      table.concat(sockets[i], " ")))
end
