-- A player for the container test: registers once, then answers each line on standard input ("NAME DATA") with the verdict
-- of that event. Real Neteria over a real socket. usage: lua5.4 player.lua PORT
local socket = require "socket"
local json = require "cjson"

local udp = assert(socket.udp())
assert(udp:setpeername("127.0.0.1", assert(tonumber(arg[1]), "usage: player.lua PORT")))
udp:settimeout(0.5)

local cuuid = ("abbbc0f4-e591-11f1-aa15-%012x"):format(math.random(0, 0xffffffff))
local count = 0

local function ask(message, answers)
  for _ = 1, 20 do
    udp:send(json.encode(message))
    local text = udp:receive()
    local reply = text and json.decode(text)
    while reply and not answers[reply.method] do
      if reply.method == "NOTIFY" then
        udp:send(json.encode { method = "OK NOTIFY", cuuid = cuuid, euuid = reply.euuid })
      end
      text = udp:receive()
      reply = text and json.decode(text)
    end
    if reply then return reply end
  end
  return { method = "no answer" }
end

print(ask({ method = "REGISTER", cuuid = cuuid }, { ["OK REGISTER"] = true, ["BYE REGISTER"] = true }).method)
io.stdout:flush()
for line in io.lines() do
  local name, data = line:match "^(%S+)%s+(.*)$"
  count = count + 1
  local euuid = ("b2a8%04x-e591-11f1-aa15-02fc00000001"):format(count)
  local verdict = ask({
    method = "EVENT", cuuid = cuuid, euuid = euuid, event_data = { [name] = json.decode(data) }, priority = "normal",
  }, { LEGAL = true, ILLEGAL = true, ["BYE EVENT"] = true })
  udp:send(json.encode { method = "OK EVENT", cuuid = cuuid, euuid = euuid })
  print(verdict.method)
  io.stdout:flush()
end
