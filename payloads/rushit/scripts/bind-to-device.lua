-- Serve on one network device only: what comes in through another finds no socket.
--
-- RUSHIT_DEVICE names the device (default: veth0).  Needs root or CAP_NET_RAW on older kernels.

local device = os.getenv("RUSHIT_DEVICE") or "veth0"

server_socket(function(sockfd)
  local ok, err = setsockopt(sockfd, SOL_SOCKET, SO_BINDTODEVICE, device, #device)
  if not ok then error("cannot bind to device " .. device .. ": " .. tostring(err)) end
end)
