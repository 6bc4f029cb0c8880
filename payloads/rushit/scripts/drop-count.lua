-- Count the datagrams that arrived, and those the kernel dropped because a socket's
-- buffer was full, for each receiving thread.

local counts = collect({ received = 0, dropped = {} })

server_socket(function(sockfd)
  local ok, err = setsockopt(sockfd, SOL_SOCKET, SO_RXQ_OVFL, 1)
  if not ok then error("SO_RXQ_OVFL: " .. tostring(err)) end
end)

server_recvmsg(function(sockfd, msg, flags)
  local n, err = recvmsg(sockfd, msg, flags)
  if not n then return nil, err end
  counts.received = counts.received + 1
  for _, cmsg in msg:cmsgs() do
    if cmsg.cmsg_level == SOL_SOCKET and cmsg.cmsg_type == SO_RXQ_OVFL then
      -- the socket's own count since it was opened
      counts.dropped[sockfd] = tonumber(uint32_ptr(cmsg.cmsg_data)[0])
    end
  end
  return n
end)

run()

if is_server() then
  local function line(name, received, dropped)
    print(string.format("%10s %12s %12s", name, received, dropped))
  end

  local all_received, all_dropped = 0, 0
  line("", "Received", "Dropped")
  line("", "(packets)", "(packets)")
  for i in tid_iter() do
    local dropped = 0
    for _, count in pairs(counts[i].dropped) do dropped = dropped + count end
    line(string.format("Thread-%02d:", i), counts[i].received, dropped)
    all_received, all_dropped = all_received + counts[i].received, all_dropped + dropped
  end
  line("Total:", all_received, all_dropped)
end
