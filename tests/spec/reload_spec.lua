-- 1 000 reloads under load, every third one broken: nothing is lost, and memory stays flat.
local sim = require "umpire.sim"

local BOOK = [[
local host = require "umpire"
local book = { api = 1, version = VERSION }
local total = 0
function book.connect(client) client.data = { n = 0 } end
function book.legal(_, event) return event.data ~= 13, "unlucky" end
function book.execute(client, event)
  client.data.n = client.data.n + 1
  total = total + 1
  host.notify(client, "count", { client.data.n, VERSION })
end
function book.save() return { total = total } end
function book.load(saved, from)
  total = saved and saved.total or 0
  if saved then host.log.info("loaded " .. total .. " from " .. from) end
end
return book
]]

local function version(n) return (BOOK:gsub("VERSION", tostring(n))) end

local BROKEN = {
  function(n) return version(n):gsub("book%.load%(saved, from%)", "book.load(saved, from") end, -- no Lua
  function(n) return version(n):gsub("function book%.save", "function book.sav") end,           -- misspelt
  function(n) return version(n):gsub("total = saved", "error 'no' total = saved") end,          -- fails in load
  function(n) return version(n):gsub("total = saved and", "while true do end total = saved and") end, -- never ends
}

describe("1 000 reloads under load, every third one broken", function()
  it("lose nothing and leave memory flat", function()
    local world = sim.run_text(version(0), { listen = "neteria://x:1", load_budget = 0.02 })
    local players, handles = {}, {}
    for i = 1, 5 do players[i] = world:connect("neteria", { attempts = 40 }) end
    world:network { loss = 0.1, duplicate = 0.05, lag = 0.03, jitter = 0.02 }
    local good, refused, early = 0, 0, nil
    local function play()
      for i, player in ipairs(players) do handles[#handles + 1] = player:send("act", i) end
      world:advance(0.05)
    end
    for n = 1, 1000 do
      play()
      if n % 3 == 0 then
        world:rewrite((BROKEN[n // 3 % #BROKEN + 1](n)))
        local ok, report = world:reload()
        assert.is_false(ok)
        assert.matches("%.lua:%d+:", report)
        refused = refused + 1
      else
        world:rewrite(version(n))
        local ok, report = world:reload()
        assert.is_true(ok, report)
        good = good + 1
      end
      if n == 100 then early = world:info() end
    end
    local late = world:info()
    assert.is_true(world:settle(300))
    world:advance(20) -- a notify that was lost is the host's to repeat; no client waits for it

    assert.equal(good + 1, late.loads)
    assert.equal(refused, late.refused)
    assert.equal(1000, late.version)
    for _, handle in ipairs(handles) do assert.is_true(handle.legal, handle.reason) end
    for _, player in ipairs(players) do
      local counts = player:received "count"
      local highest = 0
      for _, count in ipairs(counts) do highest = math.max(highest, count[1]) end
      assert.equal(1000, highest) -- client.data went through every reload
    end
    assert.is_true(late.memory < early.memory * 1.5 + 65536, ("VM: %d, later %d bytes"):format(early.memory, late.memory))
    -- The exactly-once window remembers every event of the last 300 s, at 16 to 64 bytes each; nothing else may grow.
    local grown = late.bytes - early.bytes
    assert.is_true(grown < 64 * #handles + 262144, ("engine: %d bytes more"):format(grown))

    world:rewrite(version(2000))
    assert.is_true(world:reload())
    assert.truthy(world:logged(("loaded %d from 1000"):format(#handles)))
    world:close()
    assert.equal(0, sim.open_objects())
  end)
end)
