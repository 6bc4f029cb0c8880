-- S, Debian's ljsyscall with what it lacks (vsock, timestamping, newer constants), and
-- names as in C for all of it: recvmsg, SOL_SOCKET, sockaddr_in.

local host, aliases = ...
local ffi = require("ffi")
local pairs, rawget, type = pairs, rawget, type
local find, match = string.find, string.match

local S = loadstring(host.file("syscall"), "=syscall.lua")("syscall")
local c, t, pt = S.c, S.types.t, S.types.pt

-- Constants ---------------------------------------------------------------------------------

-- SO_RXQ_OVFL belongs into the table c.SO; EPOLLWAKEUP and the like into none.
local c_constants = host.constants()
for name, value in pairs(c_constants) do
  local group, rest = match(name, "^(%u%w-)_(.+)$")
  if group and not c[group] then c[group] = {} end
  if group and rawget(c[group], rest) == nil then c[group][rest] = value end
end

-- Types -------------------------------------------------------------------------------------

ffi.cdef([[
struct sockaddr_vm {
  sa_family_t svm_family;
  unsigned short svm_reserved1;
  unsigned int svm_port;
  unsigned int svm_cid;
  unsigned char svm_flags;
  unsigned char svm_zero[3];
};
struct addrinfo {
  int ai_flags;
  int ai_family;
  int ai_socktype;
  int ai_protocol;
  socklen_t ai_addrlen;
  struct sockaddr *ai_addr;
  char *ai_canonname;
  struct addrinfo *ai_next;
};
struct scm_timestamping {
  struct timespec ts[3];
};
struct sock_extended_err {
  uint32_t ee_errno;
  uint8_t ee_origin;
  uint8_t ee_type;
  uint8_t ee_code;
  uint8_t ee_pad;
  uint32_t ee_info;
  uint32_t ee_data;
};
]])

local vm_fields = { family = "svm_family", port = "svm_port", cid = "svm_cid", flags = "svm_flags" }

-- sockaddr_vm(port, cid), either may be left out: any
t.sockaddr_vm = ffi.metatype("struct sockaddr_vm", {
  __new = function(ctype, port, cid)
    return ffi.new(ctype, { svm_family = c.AF.VSOCK, svm_port = port or c.VMADDR.PORT_ANY,
                            svm_cid = cid or c.VMADDR.CID_ANY })
  end,
  __index = function(address, field) return address[vm_fields[field]] end,
  __newindex = function(address, field, value) address[vm_fields[field]] = value end,
  __len = function(address) return ffi.sizeof(address) end,
  __tostring = function(address) return "vsock:" .. address.svm_cid .. ":" .. address.svm_port end,
})

for _, name in ipairs({ "sockaddr_vm", "addrinfo", "scm_timestamping", "sock_extended_err" }) do
  local pointer = ffi.typeof("struct " .. name .. " *")
  pt[name] = function(value) return ffi.cast(pointer, value) end
  t[name] = t[name] or ffi.typeof("struct " .. name)
end

-- Where a socket's name is asked for, an address of the family comes back.
local plain_sa = t.sa
function t.sa(address, size)
  if address.family ~= c.AF.VSOCK then return plain_sa(address, size) end
  local vm = t.sockaddr_vm()
  ffi.copy(vm, address, ffi.sizeof(vm))
  return vm
end

ffi.cdef("pid_t gettid(void);")
S.gettid = S.gettid or function() return ffi.C.gettid() end

-- Names as in C -----------------------------------------------------------------------------

-- Tables of S.c whose names in C do not begin with the table's name and "_"
local prefixes = {
  AT_FDCWD = "AT_", B = "B", BPF_CMD = "BPF_", BPF_MAP = "BPF_MAP_TYPE_",
  BPF_PROG = "BPF_PROG_TYPE_", CC = "", CFLAG = "", E = "E", EPOLL = "EPOLL",
  EPOLLCREATE = "EPOLL_", FCNTL_LOCK = "F_", IFLAG = "", IFREQ = "IFF_", IN_INIT = "IN_",
  IOCTL = "", LFLAG = "", LOCKF = "F_", MODE = "S_I", MSYNC = "MS_", OFLAG = "",
  OMQATTR = "O_", OPIPE = "O_", PC = "_PC_", POLL = "POLL", S_I = "S_I", SIG = "SIG",
  SIGACT = "SIG_", SIGBUS = "BUS_", SIGCLD = "CLD_", SIGFPE = "FPE_", SIGILL = "ILL_",
  SIGPM = "SIG_", SIGPOLL = "POLL_", SIGSEGV = "SEGV_", SIGTRAP = "TRAP_", STD = "STD",
  TCFLOW = "TC", TCFLUSH = "TC", TCSA = "TCSA", TUN = "IFF_", UMOUNT = "MNT_", W = "W",
}

local function alias(name, value)
  if aliases[name] == nil and rawget(_G, name) == nil then aliases[name] = value end
end

local function c_name(group, name)
  if group == "OK" then return name .. "_OK" end
  return (prefixes[group] or group .. "_") .. name
end

local function alias_constants(group, names)
  for name, value in pairs(names) do
    if type(name) == "string" and type(value) ~= "table" then
      alias(c_name(group, name), value)
    end
  end
end

-- C's own headers first: where two tables of S.c claim a name, they know.
for name, value in pairs(c_constants) do alias(name, value) end
for group, names in pairs(c) do
  if type(names) == "table" and group ~= "errornames" then
    alias_constants(group, names)
  elseif type(names) ~= "table" then
    alias(group, names)
  end
end

for name, value in pairs(S) do
  if type(value) == "function" then alias(name, value) end
end

for name, value in pairs(t) do
  if find(name, "^sockaddr") or find(name, "^in6?_addr$") then alias(name, value) end
end
for name, value in pairs(pt) do alias(name .. "_ptr", value) end

aliases.S = S
