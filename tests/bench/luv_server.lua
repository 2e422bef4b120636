-- A Neteria server as one writes it in Lua on luv and lua-cjson, for comparison: the same rules, a registry, judged once and
-- executed once within 300 s, verdicts and notifies repeated after 2 s, five times in all, until they are confirmed.
--
--   lua5.4 luv_server.lua PORT
--
-- Written for speed where the platform allows it: batched receive (recvmmsg), try_send instead of send requests, answers put
-- together from strings, first-in-first-out queues for the repeats (every wait is the same 2 s) and one timer of 200 ms.
local uv = require "luv"
local json = require "cjson"
local rules = dofile((arg[0]:match "^(.*)/" or ".") .. "/rules_plain.lua")

local REPEAT, TIMES, LIFE = 2000, 5, 300000 -- ms, transmissions, ms
local IN_FLIGHT = 256                       -- notifies to one client
local socket = uv.new_udp { family = "inet", mmsgs = 20 }
local clients, everyone = {}, {} -- by cuuid; as a list
local now = uv.now
local find, format, random = string.find, string.format, math.random
local try_send = socket.try_send

---- ids ----
local function new_id() -- UUID version 4
  local a, b, c, d = random(0, 0xffffffff), random(0, 0xffffffff), random(0, 0xffffffff), random(0, 0xffffffff)
  return format("%08x-%04x-4%03x-%04x-%04x%08x", a, b >> 16, b & 0xfff, 0x8000 | (c >> 16 & 0x3fff), c & 0xffff, d)
end

local function quoted(s) -- most ids need no escapes
  if find(s, '[%c"\\]') then return json.encode(s) end
  return '"' .. s .. '"'
end

---- what was sent and waits to be confirmed: client.waiting[id] is its text ----
-- Queue n holds what was sent n times, as parallel arrays: a table for each datagram costs more than all of this.
local queues = {}
for i = 1, TIMES do queues[i] = { first = 1, last = 0, client = {}, id = {}, due = {} } end

local function wait_for(client, id, sent)
  local queue = queues[sent]
  local last = queue.last + 1
  queue.last = last
  queue.client[last], queue.id[last], queue.due[last] = client, id, now() + REPEAT
end

local function forget(client, id)
  client.waiting[id] = nil
  if client.notified[id] then
    client.notified[id] = nil
    client.in_flight = client.in_flight - 1
  end
end

local function repeat_due()
  local time = now()
  for sent = TIMES, 1, -1 do
    local queue = queues[sent]
    local clients_of, ids, dues = queue.client, queue.id, queue.due
    local at = queue.first
    while at <= queue.last and dues[at] <= time do
      local client, id = clients_of[at], ids[at]
      local text = client.waiting[id]
      clients_of[at], ids[at], dues[at] = nil, nil, nil
      at = at + 1
      if text and sent < TIMES then
        try_send(socket, text, client.ip, client.port)
        wait_for(client, id, sent + 1)
      elseif text then
        forget(client, id)
      end
    end
    queue.first = at
  end
end

local function send_reliably(client, id, text)
  try_send(socket, text, client.ip, client.port)
  client.waiting[id] = text
  wait_for(client, id, 1)
end

---- what the rules may ask for ----
local host = {}
local outbox, n_outbox = {}, 0 -- pairs of client and data; sent when the handler has returned

local function notify_now(client, data)
  if client.in_flight >= IN_FLIGHT then return end
  client.in_flight = client.in_flight + 1
  local id = new_id()
  client.notified[id] = true
  send_reliably(client, id, '{"method": "NOTIFY", "event_data": ' .. data .. ', "euuid": "' .. id .. '"}')
end

function host.notify(client, name, data)
  outbox[n_outbox + 1], outbox[n_outbox + 2] = client, json.encode { [name] = data }
  n_outbox = n_outbox + 2
end

function host.broadcast(name, data)
  local text = json.encode { [name] = data }
  for i = 1, #everyone do outbox[n_outbox + 1], outbox[n_outbox + 2], n_outbox = everyone[i], text, n_outbox + 2 end
end

local function commit()
  local n = n_outbox
  n_outbox = 0
  for i = 1, n, 2 do notify_now(outbox[i], outbox[i + 1]) end
end

local game = rules(host)

---- judged once, executed once: the verdicts of the last 300 to 600 s, in two generations for each client ----
-- What is kept is the answer, and true for the commonest one: a normal LEGAL.
local epoch = 0

local function remembered(client, id)
  if client.epoch ~= epoch then
    client.old, client.young = client.epoch == epoch - 1 and client.young or {}, {}
    client.epoch = epoch
  end
  local verdict = client.young[id]
  if verdict == nil then
    verdict = client.old[id]
    if verdict ~= nil then client.young[id] = verdict end
  end
  return verdict
end

---- what may come in ----
local function is_id(s) return type(s) == "string" and #s >= 1 and #s <= 64 and not find(s, "%c") end

local function judge(client, event)
  local ok, legal, reason = pcall(game.legal, client, event)
  if not ok then return "internal" end
  if not legal then return reason or "illegal" end
  n_outbox = 0
  ok = pcall(game.execute, client, event)
  if not ok then
    n_outbox = 0
    return "internal"
  end
  return true
end

local function named(value) -- "up" -> up, nil; {move = x} -> move, x; anything else -> nil, value
  if type(value) == "string" then return value end
  if type(value) == "table" then
    local key, inner = next(value)
    if type(key) == "string" and next(value, key) == nil then return key, inner end
  end
  return nil, value
end

local function answer_text(verdict, id, priority)
  if verdict == true then return '{"method": "LEGAL", "euuid": ' .. quoted(id) .. ', "priority": "' .. priority .. '"}' end
  return '{"method": "ILLEGAL", "euuid": ' .. quoted(id) .. ', "priority": "' .. priority .. '", "reason": '
    .. json.encode(verdict) .. "}"
end

local methods = {}

function methods.EVENT(m, from)
  local client, id, priority = clients[m.cuuid], m.euuid, m.priority or "normal"
  if not is_id(id) or m.event_data == nil or (priority ~= "normal" and priority ~= "high") then return end
  if not client or client.port ~= from.port or client.ip ~= from.ip then
    try_send(socket, '{"method": "BYE EVENT", "data": "Not registered"}', from.ip, from.port)
    return
  end
  local verdict = remembered(client, id)
  if verdict ~= nil then
    try_send(socket, verdict == true and answer_text(true, id, "normal") or verdict, from.ip, from.port)
    return
  end
  local name, data = named(m.event_data)
  verdict = judge(client, { id = id, name = name, data = data, priority = priority, time = now() / 1000 })
  local answer = answer_text(verdict, id, priority)
  client.young[id] = verdict == true and priority == "normal" or answer
  send_reliably(client, id, answer)
  if n_outbox > 0 then commit() end
end

function methods.REGISTER(m, from)
  if not is_id(m.cuuid) then return end
  local client = clients[m.cuuid]
  if not client then
    client = { ip = from.ip, port = from.port, waiting = {}, notified = {}, in_flight = 0, young = {}, old = {},
      epoch = epoch, data = {} }
    clients[m.cuuid] = client
    everyone[#everyone + 1] = client
    try_send(socket, '{"method": "OK REGISTER"}', from.ip, from.port)
    game.connect(client)
    commit()
  elseif client.port == from.port and client.ip == from.ip then
    try_send(socket, '{"method": "OK REGISTER"}', from.ip, from.port)
  end
end

local function confirm(m, from)
  local client = clients[m.cuuid]
  if not client or client.port ~= from.port or client.ip ~= from.ip or type(m.euuid) ~= "string" then return end
  if client.waiting[m.euuid] then forget(client, m.euuid) end
end
methods["OK EVENT"] = confirm
methods["OK NOTIFY"] = confirm

local decode = json.decode
local function receive(err, text, from)
  if err or not text or not from then return end
  local ok, m = pcall(decode, text)
  if not ok or type(m) ~= "table" then return end
  local method = methods[m.method]
  if method and m.cuuid ~= nil then method(m, from) end
end

collectgarbage "generational"
math.randomseed(tonumber(tostring(uv.hrtime()):sub(-9)), uv.os_getpid())
assert(socket:bind("127.0.0.1", tonumber(arg[1])))
socket:recv_buffer_size(4 << 20)
socket:recv_start(receive)
uv.new_timer():start(200, 200, repeat_due)
uv.new_timer():start(LIFE, LIFE, function() epoch = epoch + 1 end)
io.stderr:write "ready\n"
uv.run()
