-- umpire run --gate in cases that nobody hopes for: play that cannot be held against the new rulebook, and files that change
-- while it is played. record_spec has the usual ones.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"

-- more: fields of the rulebook
local function rulebook(most, more)
  return ([[
    local n = 0
    return { api = 1, save = function() return { n = n } end, legal = function(_, event) return event.data <= %d end,
      execute = function() n = n + 1 end, %s }
  ]]):format(most, more or "")
end

describe("umpire run --gate", function()
  after_each(host.cleanup)

  local function recording(rules)
    local file = host.folder() .. "/play.rec"
    local h = host.start { rules = rules, flags = { "--record", file } }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    for i = 1, 3 do assert.equal("LEGAL", (ann:event(i))) end
    return file, h
  end

  it("refuses what cannot be played with the recording, although it could be loaded here", function()
    local file, before = recording(rulebook(5))
    before:stop()
    local h = host.start { rules = rulebook(5), flags = { "--gate", file } }
    h:rewrite(rulebook(0, "load = function(saved) n = saved.n end")) -- the recording begins with nothing saved
    local code, _, err = h:ask "reload"
    assert.equal(1, code, err)
    assert.matches("attempt to index a nil value", err)
    assert.matches("umpire reload %-%-force", err)
    h:wait_log "refused %(umpire reload%)"
    assert.equal(0, (h:ask("reload", "--force")))
    assert.equal(0, h:stop())
  end)

  it("plays once more what was changed while it played", function()
    local file, before = recording(rulebook(5))
    require "luv".sleep(1500)
    before:stop()
    local h = host.start { rules = rulebook(5), flags = { "--gate", file } }
    h:rewrite(rulebook(5, "tick_rate = 60, tick = function() for _ = 1, 2e6 do end end")) -- takes a second to play
    h:signal "HUP"
    require "luv".sleep(300) -- it plays
    h:rewrite(rulebook(0))
    h:signal "HUP"
    h:wait_log "judges recorded play differently"
    local bob = host.client(h.port)
    assert.is_true(bob:register())
    assert.equal("LEGAL", (bob:event(1)))
    assert.equal(0, h:stop())
  end)

  it("ends after --gate-time, also when nothing but ticks takes so long", function()
    local file, before = recording(rulebook(5, "tick_rate = 60, tick = function() end"))
    local uv = require "luv"
    uv.sleep(1500) -- 90 ticks
    before:stop()
    local h = host.start { rules = rulebook(5, "tick_rate = 60, tick = function() end"),
      flags = { "--gate", file, "--gate-time", "200ms" } }
    h:rewrite(rulebook(5, "tick_rate = 60, tick = function() while true do end end"))
    local start = uv.hrtime()
    assert.equal(0, (h:ask "reload"))
    local seconds = (uv.hrtime() - start) / 1e9
    assert.is_true(seconds < 1, seconds)
    h:wait_log "could be played"
    assert.equal(0, h:stop())
  end)
end)
