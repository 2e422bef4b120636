-- The tavern on real sockets: a Neteria, a laneya, a joint (TCP), a joint (WebSocket) and a PYMMORPG guest in one room, and the
-- page that the host serves with it.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"
local cjson = require "cjson"
local guests = require "guests"

-- ---- the room ----

local KINDS = guests.KINDS

local function open_tavern()
  local h = host.start {
    rulebook = "rules/tavern.lua", flags = { "--web", "0" },
    listen = { "neteria://127.0.0.1:0", "laneya://127.0.0.1:0", "joint://127.0.0.1:0", "pymmorpg://127.0.0.1:0" },
  }
  return h, { neteria = h.ports[1], laneya = h.ports[2], joint = h.ports[3], web = h.ports[3], pymmorpg = h.ports[4] }
end

local function place_of(all, name)
  for _, seen in ipairs(all.pymmorpg.ask "update") do
    if seen.name == name then return seen.pos[1], seen.pos[2] end
  end
end

describe("the tavern on real sockets", function()
  after_each(function()
    guests.leave()
    host.cleanup()
  end)

  it("seats guests of every protocol, who see each other walk and hear each other talk", function()
    local h, ports = open_tavern()
    local all = guests.company(ports)
    assert.equal(5, #all.pymmorpg.ask "update")
    for _, who in ipairs(KINDS) do
      local x, y = place_of(all, who)
      assert.is_true(all[who].step(0, -1), who)
      assert.is_true(all[who].say("this is " .. who), who)
      for _, other in ipairs(KINDS) do
        assert.is_true(all[other]:hears(("moved %s %d %d"):format(who, x, y - 1)), other .. " sees " .. who)
        assert.is_true(all[other]:hears(("said %s this is %s"):format(who, who)), other .. " hears " .. who)
      end
    end
    assert.equal(5, h:status().clients)
    assert.equal(0, h:stop())
  end)

  it("refuses in the words of each", function()
    local h, ports = open_tavern()
    local all = guests.company(ports)
    for _, who in ipairs { "neteria", "laneya", "joint", "web" } do
      local legal, reason = all[who].say "   "
      assert.is_false(legal, who)
      assert.equal("say something", reason)
    end
    assert.is_false(all.pymmorpg.say "   ")
    assert.is_false(all.pymmorpg.ask("set", "joint", "say", "I owe everybody a drink"))
    assert.is_false(all.pymmorpg.ask("edit", { "wall", {} }))
    assert.same({ false, "one direction at a time" }, { all.web.step(1, 1) })
    assert.same({ false, "one direction at a time" }, { all.neteria.step(1, 1) })
    assert.equal(0, h:stop())
  end)

  it("notices who leaves, and keeps the others through a reload", function()
    local h, ports = open_tavern()
    local all = guests.company(ports)
    local x, y = place_of(all, "web")
    assert.equal(0, (h:ask "reload"))
    assert.same({ x, y }, { place_of(all, "web") })
    assert.is_true(all.web.say "still here")
    assert.is_true(all.neteria:hears "said web still here")
    all.web:leave()
    assert.is_true(all.joint:hears "left web")
    assert.is_true(all.laneya:hears "left web")
    assert.is_true(all.neteria:hears "left web")
    all.pymmorpg:leave()
    assert.is_true(all.joint:hears "left pymmorpg")
    assert.is_true(all.laneya.ask("logout", {}))
    assert.is_true(all.neteria.ask "leave")
    assert.is_true(all.joint:hears "left laneya")
    assert.is_true(all.joint:hears "left neteria")
    assert.equal(0, h:stop())
  end)

  it("serves its page and tells it where the room is", function()
    local h, ports = open_tavern()
    local web
    for _, line in ipairs(h.lines) do web = web or line:match "^web http://127%.0%.0%.1:(%d+)/$" end
    local function get(path)
      local tcp = guests.dial(tonumber(web))
      tcp:settimeout(10)
      tcp:send("GET " .. path .. " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      local answer = tcp:receive "*a"
      tcp:close()
      return answer:match "^HTTP/1%.1 (%d+)", answer:match "\r\n\r\n(.*)$"
    end
    local status, page = get "/"
    assert.equal("200", status)
    for _, path in ipairs { "style.css", "tavern.js", "icon.svg" } do
      assert.truthy(page:find('="' .. path .. '"', 1, true), path)
    end
    for _, path in ipairs { "style.css", "tavern.js", "icon.svg", "room.js", "umpire/joint.js" } do
      assert.equal("200", (get("/" .. path)), path)
    end
    local _, about = get "/umpire.json"
    assert.equal(ports.joint, cjson.decode(about).joint[1].port)
    assert.equal(0, h:stop())
  end)

  it("is one room for its page, too: both name the same procedures", function()
    local book, page = host.read "rules/tavern.lua", host.read "rules/tavern/web/tavern.js"
    local function procedures(text, from, to)
      local list = {}
      for name, types in text:match(from .. "(.-)" .. to):gmatch '[%[{] ?"(%l+)"([^%]}]*)' do
        list[#list + 1] = name .. types:gsub("%s", "")
      end
      return list
    end
    assert.same(procedures(book, "remotes = { %[0%] = {", "\n"), procedures(page, "const REMOTES = { 0: %[", "\n"))
    assert.same(procedures(book, "client_remotes = ", "\n  },"), procedures(page, "const CLIENT_REMOTES = ", ";"))
    assert.equal(4, #procedures(book, "remotes = { %[0%] = {", "\n"))
    assert.equal(7, #procedures(book, "client_remotes = ", "\n  },"))
  end)
end)
