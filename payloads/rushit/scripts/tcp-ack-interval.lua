-- How much time passes between two ACKs of a connection: the kernel puts a timestamp into
-- the socket's error queue for each write that was acknowledged.  For tcp_stream's client.

-- hist[k]: how many intervals were in [2^(k-1), 2^k) microseconds; hist[0]: below 1
local hist = collect({})
local last = {}  -- descriptor -> time of its last ACK, in microseconds

client_socket(function(sockfd)
  local ok, err = setsockopt(sockfd, SOL_SOCKET, SO_TIMESTAMPING,
    bit.bor(SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_TX_ACK, SOF_TIMESTAMPING_OPT_TSONLY))
  if not ok then error("SO_TIMESTAMPING: " .. tostring(err)) end
end)

local function bucket(interval)
  local k, upper = 0, 1
  while interval >= upper do k, upper = k + 1, upper * 2 end
  return k
end

local function acknowledged(sockfd, now)
  local before = last[sockfd]
  last[sockfd] = now
  if before then
    local k = bucket(now - before)
    hist[k] = (hist[k] or 0) + 1
  end
end

client_recverr(function(sockfd, msg, flags)
  local n, err = recvmsg(sockfd, msg, flags)
  if not n then return nil, err end
  for _, cmsg in msg:cmsgs() do
    if cmsg.cmsg_level == SOL_SOCKET and cmsg.cmsg_type == SCM_TIMESTAMPING then
      local stamp = scm_timestamping_ptr(cmsg.cmsg_data).ts[0]
      acknowledged(sockfd, stamp.sec * 1e6 + stamp.nsec / 1e3)
    end
  end
  return n
end)

run()

local WIDTH = 40

local function print_histogram(title, counts)
  local most, top = 0, -1
  for k, count in pairs(counts) do
    most, top = math.max(most, count), math.max(top, k)
  end
  print(title)
  print(string.format("%10s .. %-10s: %-10s |%-40s|", ">=", "< [us]", "Count", "Distribution"))
  for k = 0, top do
    local count = counts[k] or 0
    local lower = k == 0 and 0 or 2 ^ (k - 1)
    print(string.format("%10d -> %-10d: %-10d |%-40s|", lower, 2 ^ k, count,
                        ("="):rep(math.ceil(WIDTH * count / most))))
  end
end

if is_client() then
  local sum = {}
  for i in tid_iter() do
    for k, count in pairs(hist[i]) do sum[k] = (sum[k] or 0) + count end
    print_histogram("Thread " .. i, hist[i])
  end
  print_histogram("All threads (summed)", sum)
end
