-- End the run when a packet comes from another address than the expected one.
--
-- RUSHIT_SOURCE is that address, IPv4 or IPv6 (default: 127.0.0.1).  For datagrams.

local ffi = require("ffi")

local expected = os.getenv("RUSHIT_SOURCE") or "127.0.0.1"
local MAPPED = ("\0"):rep(10) .. "\255\255"  -- before an IPv4 address in an IPv6 socket's eyes

local good = {}  -- the bytes of source addresses that have been looked at

local function address_of(sender)
  if sender.family == AF_INET then return sockaddr_in_ptr(sender).sin_addr end
  return sockaddr_in6_ptr(sender).sin6_addr
end

local function text_of(address, bytes)
  if bytes:sub(1, #MAPPED) ~= MAPPED then return tostring(address) end
  return table.concat({ bytes:byte(#MAPPED + 1, -1) }, ".")
end

local function check(text)
  if text ~= expected then
    error("wrong source address: expected " .. expected .. ", got " .. text)
  end
end

local sender = sockaddr_storage()

server_recvmsg(function(sockfd, msg, flags)
  local iov = msg.msg_iov[0]
  local n, err = recvfrom(sockfd, iov.iov_base, iov.iov_len, flags, sender)
  if not n then return nil, err end
  local address = address_of(sender)
  local bytes = ffi.string(address, ffi.sizeof(address))
  if not good[bytes] then
    check(text_of(address, bytes))
    good[bytes] = true
  end
  return n
end)
