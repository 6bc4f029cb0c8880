-- What values.c asks about a value: whether both states have it under a name, and how
-- cdata is taken apart and put together.  Runs first in every state, before anybody can
-- replace a library function, and keeps what it needs of them.

local ffi = require("ffi")
local bit = require("bit")
local band, rshift = bit.band, bit.rshift
local type, pairs, rawget, tostring, tonumber = type, pairs, rawget, tostring, tonumber
local pcall, error, unpack, rawequal = pcall, error, unpack, rawequal
local getmetatable = getmetatable
local sort, match, format, gsub = table.sort, string.match, string.format, string.gsub
local typeof, typeinfo, sizeof = ffi.typeof, ffi.typeinfo, ffi.sizeof
local new, copy, bytes_of = ffi.new, ffi.copy, ffi.string

local carry = {}

-- Names -----------------------------------------------------------------------------------

local name_of = {}  -- object -> its first name
local named = {}    -- name -> object
local tables = {}   -- table -> its fields when it was learnt
local has_name = { table = true, ["function"] = true, userdata = true, cdata = true }

local function sorted_names(fields)
  local names = {}
  for key in pairs(fields) do
    if type(key) == "string" then names[#names + 1] = key end
  end
  sort(names)
  return names
end

-- Both states walk in the same order, so that the same thing gets the same name.
local function learn(path, value)
  if not has_name[type(value)] then return end
  named[path] = value
  if name_of[value] then return end
  name_of[value] = path
  if type(value) ~= "table" then return end
  local fields = {}
  for key, field in pairs(value) do fields[key] = field end
  tables[value] = fields
  for _, key in pairs(sorted_names(fields)) do
    learn(path .. "/" .. key, fields[key])
  end
end

carry.learn = learn

-- package.loaded holds what scripts require; package itself is found by name, not walked.
-- The metatable of strings is not in a library, but scripts extend it like one.
function carry.learn_libraries()
  local package = package
  name_of[package.loaded], name_of[package.preload] = "package.loaded", "package.preload"
  named["package.loaded"], named["package.preload"] = package.loaded, package.preload
  learn("_G", _G)
  learn("string's metatable", getmetatable(""))
  learn("ffi", ffi)
end

function carry.name_of(object) return name_of[object] end

-- What one state loaded late, as S is, the other may not have loaded yet.
function carry.named(name)
  local object = named[name]
  if object == nil and carry.load_syscalls then
    carry.load_syscalls()
    object = named[name]
  end
  if object == nil then error(name .. " is not known in the other thread", 0) end
  return object
end

-- What a script set in the globals and in the libraries: an array of {owner, key, value}.
function carry.changes()
  local changes = {}
  for owner, fields in pairs(tables) do
    for key, value in pairs(owner) do
      if not rawequal(value, fields[key]) then changes[#changes + 1] = { owner, key, value } end
    end
  end
  return changes
end

-- cdata -----------------------------------------------------------------------------------

-- LuaJIT's classes of C types
local NUMBER, STRUCT, POINTER, ARRAY, ENUM, FUNCTION, ATTRIBUTE, FIELD = 0, 1, 2, 3, 5, 6, 8, 9

local function class_of(info) return rshift(info.info, 28) end
local function child_of(info) return typeinfo(band(info.info, 0xffff)) end

-- An attribute (alignment, qualifiers) is an onion skin around the type that is meant.
local function plain(info)
  while class_of(info) == ATTRIBUTE do info = child_of(info) end
  return info
end

local holds_pointer

local function fields_hold_pointer(info)
  local sibling = info.sib
  while sibling do
    local member = typeinfo(sibling)
    local class = class_of(member)
    if class == FIELD and holds_pointer(child_of(member)) then return true end
    -- an unnamed struct or union inside this one
    if class == ATTRIBUTE and holds_pointer(member) then return true end
    sibling = member.sib
  end
  return false
end

function holds_pointer(info)
  info = plain(info)
  local class = class_of(info)
  if class == POINTER or class == FUNCTION then return true end
  if class == ARRAY then return holds_pointer(child_of(info)) end
  if class == STRUCT then return fields_hold_pointer(info) end
  return false
end

local function name_of_type(ctype) return match(tostring(ctype), "^ctype<(.*)>$") end

-- "struct 123": a number stands for the name that a type does not have.
local function is_anonymous(name)
  return match(" " .. name, "[^%w_]struct %d") or match(" " .. name, "[^%w_]union %d")
    or match(" " .. name, "[^%w_]enum %d")
end

-- "struct p &" and "int (&)[4]": what is in an array or a struct is seen by reference.
local function without_reference(name)
  return (gsub(gsub(name, " &$", ""), " ?%(&%)", ""))
end

local function is_scalar(info, name)
  local class = class_of(info)
  return class == NUMBER or class == ENUM or match(name, "^complex") ~= nil
end

local has_finalizer = {}  -- names of types whose values free something

local function why_not(info, name)
  if is_anonymous(name) then
    return "is cdata of a type without a name; name the struct in ffi.cdef"
  end
  if match(name, "%(%)") then
    return "is cdata of a function's type; write ffi.C.NAME where it is called"
  end
  if has_finalizer[name] then
    return format("is cdata<%s>, which two threads would finalize", name)
  end
end

-- A type's name and the bytes of a value of it; for a type itself no bytes; or nil, why not.
function carry.describe(value)
  local ctype = typeof(value)
  local full_name = name_of_type(ctype)
  local name = without_reference(full_name)
  local info = plain(typeinfo(tonumber(ctype)))
  if name ~= full_name then info = plain(child_of(info)) end
  local reason = why_not(info, name)
  if reason then return nil, reason end
  if tostring(value) == tostring(ctype) then return name, nil end
  if holds_pointer(info) then
    return nil, format("is cdata<%s>: a pointer's target belongs to one thread", name)
  end
  if is_scalar(info, name) then value = new(typeof("$[1]", ctype), value) end
  local size = sizeof(value)
  local buffer = new("uint8_t[?]", size)
  copy(buffer, value, size)
  return name, bytes_of(buffer, size)
end

-- How many elements of a type with [?] take `size` bytes.
local function elements(ctype, size)
  local empty = sizeof(ctype, 0)
  return (size - empty) / (sizeof(ctype, 1) - empty)
end

local function type_named(name)
  local fine, ctype = pcall(typeof, name)
  if fine then return ctype end
  carry.load_syscalls()
  return typeof(name)
end

function carry.restore(name, bytes)
  local ctype = type_named(name)
  if not bytes then return ctype end
  if is_scalar(plain(typeinfo(tonumber(ctype))), name) then
    local cell = new(typeof("$[1]", ctype))
    copy(cell, bytes, #bytes)
    return new(ctype, cell[0])
  end
  local _, fixed = pcall(sizeof, ctype)
  local value = fixed == #bytes and new(ctype) or new(ctype, elements(ctype, #bytes))
  copy(value, bytes, #bytes)
  return value
end

-- Definitions: what the script tells ffi has to be told in every state, in its order ------

local definitions = {}
local recording = true

local cdef, metatype = ffi.cdef, ffi.metatype

function ffi.cdef(...)
  local fine, problem = pcall(cdef, ...)
  if not fine then error(problem, 2) end
  if recording then definitions[#definitions + 1] = { "cdef", ... } end
end

function ffi.metatype(ctype, metatable)
  local fine, result = pcall(metatype, ctype, metatable)
  if not fine then error(result, 2) end
  local name = name_of_type(result)
  if recording and not is_anonymous(name) then
    definitions[#definitions + 1] = { "metatype", name, metatable }
    has_finalizer[name] = rawget(metatable, "__gc") ~= nil or nil
  end
  return result
end

-- Run a loader whose definitions every state makes for itself, and remember when.
function carry.unrecorded(what, loader)
  if recording then definitions[#definitions + 1] = { what } end
  recording = false
  local fine, problem = pcall(loader)
  recording = true
  if not fine then error(problem, 0) end
end

function carry.definitions() return definitions end

function carry.define(definition)
  local kind = definition[1]
  if kind == "cdef" then
    ffi.cdef(unpack(definition, 2))
  elseif kind == "metatype" then
    ffi.metatype(definition[2], definition[3])
  else
    carry.load_syscalls()
  end
end

return carry
