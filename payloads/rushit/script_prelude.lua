-- The script's API.  Runs in every state, after script_carry.lua: host tells where this is,
-- and holds what C does.

local host, carry = ...
local ffi = require("ffi")
local error, ipairs, loadstring, package, pairs = error, ipairs, loadstring, package, pairs
local print, rawget, setmetatable, table, type = print, rawget, setmetatable, table, type

local in_coroutine = coroutine.running
local in_thread = host.thread ~= nil

local function only_in_main(what, level)
  if in_thread then
    error(what .. " is for the main part of the script, not for hooks", level + 1)
  end
end

-- Hooks -------------------------------------------------------------------------------------

local hooks = {}

local function registration(name)
  return function(hook)
    only_in_main(name .. "()", 2)
    if type(hook) ~= "function" then
      error(name .. "() wants a function, not a " .. type(hook), 2)
    end
    if hooks[name] then error("hook " .. name .. " already set", 2) end
    if host.has_run() then error(name .. "() comes too late: the test has run", 2) end
    hooks[name] = hook
  end
end

for _, role in ipairs({ "client", "server" }) do
  for _, event in ipairs({ "socket", "close", "sendmsg", "recvmsg", "recverr" }) do
    _G[role .. "_" .. event] = registration(role .. "_" .. event)
  end
end

-- Running and collecting --------------------------------------------------------------------

local collectors = {}
local collector_mark = { collector = true }

function collect(value)
  only_in_main("collect()", 2)
  if host.has_run() then error("collect() comes too late: the test has run", 2) end
  local collector = setmetatable({ value }, collector_mark)
  collectors[#collectors + 1] = collector
  return collector
end

function run()
  only_in_main("run()", 2)
  if host.has_run() then error("run() can be called once", 2) end
  if in_coroutine() then error("run() cannot be called inside of a coroutine", 2) end
  host.run()
end

function is_client() return host.client end
function is_server() return not host.client end

-- for i, tid in tid_iter(): i is a thread's index in collected tables, tid the one in samples.csv
function tid_iter()
  local i = 0
  return function()
    if i == host.threads then return nil end
    i = i + 1
    return i, i - 1
  end
end

-- Names that nobody has defined: aliases of what S holds, and what could not be carried -------

local aliases = {}
local missing = {}  -- name of a global -> why it is not here

local function explain_missing(_, name)
  if missing[name] then
    error("global '" .. name .. "'" .. missing[name], 2)
  end
end

local function load_syscalls()
  if rawget(aliases, "S") then return aliases.S end
  package.loaded.ffi = ffi
  setmetatable(aliases, nil)
  carry.unrecorded("syscalls", function()
    local chunk = loadstring(host.file("script_syscalls"), "=script_syscalls.lua")
    chunk(host, aliases)
  end)
  carry.learn("S", aliases.S)
  setmetatable(aliases, { __index = explain_missing })
  return aliases.S
end

-- S takes some milliseconds to load: who asks for none of its names does without.
setmetatable(_G, { __index = aliases })
setmetatable(aliases, { __index = function(_, name)
  explain_missing(nil, name)
  load_syscalls()
  return aliases[name]
end })

package.preload.syscall = load_syscalls

-- S defines struct addrinfo and the like: who asks for ffi finds them there.
package.loaded.ffi = nil
function package.preload.ffi()
  load_syscalls()
  return ffi
end

table.insert(package.loaders, 2, function(name)
  local text = host.file(name)
  if text then return loadstring(text, "=" .. name) end
  return "\n\tno built-in file '" .. name .. "'"
end)

local function list(kind)
  load_syscalls()
  local names = {}
  for name, value in pairs(aliases) do
    if type(value) == kind then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do print(name) end
end

function list_sys_funcs() list("function") end
function list_sys_consts() list("number") end

-- For C -------------------------------------------------------------------------------------

carry.collector = collector_mark
carry.load_syscalls = load_syscalls
carry.hooks = hooks

function carry.miss(name, why) missing[name] = why end

-- From here on they are plain tables, for the values of the threads
function carry.open_collectors()
  for _, collector in ipairs(collectors) do setmetatable(collector, nil)[1] = nil end
end

-- The address of one of the engine's structs, as a hook gets it
function carry.pointer(type_name, address)
  load_syscalls()
  return ffi.cast(type_name, address)
end

-- The number in an error object of S, or nil
function carry.error_number(problem)
  if type(problem) == "cdata" and ffi.istype(aliases.S.t.error, problem) then
    return problem.errno
  end
end

carry.learn_libraries()
