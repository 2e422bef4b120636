-- What goes wrong in a rulebook, and what it costs, as its author sees them.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"

local rules = [[
local game = { api = 1, version = 1, tick_rate = 50 }
local function step(data) return data.x + 1 end
function game.legal(_, event) return event.name ~= "shout" end
function game.execute(_, event) return event.name == "move" and step(event.data) or nil end
function game.tick() end
return game
]]

describe("an error in a handler", function()
  after_each(host.cleanup)

  it("shows the line, the way there, the event and whose it was; the same one is counted, not repeated", function()
    local h = host.start { rules = rules }
    local player = host.client(h.port)
    player:register()
    for _ = 1, 20 do assert.equal("ILLEGAL", (player:event { move = { y = ("z"):rep(300) } })) end
    h:wait_log "^error rule_error: .*rules%.lua:2: attempt to perform arithmetic on a nil value %(field 'x'%)$"
    h:wait_log "^  |     .*rules%.lua:2: in upvalue 'step'$"
    h:wait_log "^  |     .*rules%.lua:4: in the function of line 4$"
    local data = h:wait_log '^  |     called for execute, event "move" (.+) of neteria client %x+%-%x+%-%x+%-%x+%-%x+$'
    assert.matches('^{"y": *"z+%.%.%.$', data)
    assert.is_true(#data < 200)
    local _, out = h:ask("status", "--rules")
    assert.matches("20  .*rules%.lua:2: attempt to perform arithmetic", out)
    assert.equal(0, (h:ask "reload")) -- the rest is told before it is forgotten
    h:wait_log "^error rule_error: .*rules%.lua:2: attempt to perform arithmetic"
    h:wait_log "^  |     19 more from this place since the last line about it$"
    assert.equal(0, h:stop())
  end)

  it("is red in a terminal, and a reload green; NO_COLOR is heeded", function()
    host.needs_terminal(pending)
    local folder = host.folder()
    local book = host.write(folder .. "/rules.lua", "return { api = 1, legal = function() error 'no' end }\n")
    local function log_of(environment)
      local run = ("%s run %s --control %s/c --listen neteria://127.0.0.1:0"):format(host.program, book, folder)
      local typescript = io.popen(host.shell .. ("%s script -qec '%s' /dev/null </dev/null"):format(environment, run))
      local text = typescript:read "l" .. "\n"
      repeat
        local line = typescript:read "l"
        text = text .. line .. "\n"
      until line:find "^ready"
      assert.equal(0, (host.run { "stop", "--control", folder .. "/c" }))
      typescript:close()
      return text
    end
    assert.matches("\27%[32mjudging by", log_of "TERM=xterm")
    assert.not_matches("\27", log_of "TERM=xterm NO_COLOR=1")
    assert.not_matches("\27", log_of "TERM=dumb")
  end)
end)

describe("what the rulebook costs", function()
  after_each(host.cleanup)

  it("is told by handler, event and protocol, for people, as JSON and as metrics", function()
    local h = host.start { rules = rules }
    local player = host.client(h.port)
    player:register()
    for i = 1, 10 do player:event { move = { x = i } } end
    player:event { shout = 1 }
    player:event { [('"\\n'):rep(3)] = 1 }
    local code, out
    repeat code, out = h:ask("status", "--rules") until code ~= 0 or out:find "\n  tick " -- the first is due after 20 ms
    assert.equal(0, code)
    assert.matches("\n  legal move  +neteria +10 +0 +0 +[%d.]+ us +[%d.]+ us", out)
    assert.matches("\n  execute move  +neteria +10 +0 ", out)
    assert.matches("\n  legal %(all others%) +neteria +1 +1 ", out)
    assert.matches("\n  tick +%d+ +0 ", out)
    local cjson = require "cjson"
    code, out = h:ask("status", "--rules", "--json")
    assert.equal(0, code)
    local found
    for _, row in ipairs(cjson.decode(out).rows) do
      if row.handler == "execute" and row.event == "move" then found = row end
    end
    assert.equal(10, found.calls)
    assert.equal(10, found.legal)
    assert.equal("neteria", found.protocol)
    assert.is_true(found.p50_ns > 0 and found.p50_ns <= found.p99_ns and found.p99_ns <= found.max_ns)
    code, out = h:ask("status", "--metrics")
    assert.equal(0, code)
    assert.matches('\numpire_rule_calls_total{handler="execute",protocol="neteria",event="move"} 10\n', out)
    assert.matches('\numpire_rule_verdicts_total{handler="legal",protocol="neteria",event="%(others%)",verdict="illegal"} 1\n',
      out)
    assert.matches('\numpire_rule_seconds{handler="legal",protocol="neteria",event="move",quantile="0%.99"} 0%.%d+\n', out)
    assert.matches('event="\\"\\\\n\\"\\\\n', out)
    for line in out:gmatch "[^\n]+" do
      assert.is_true(line:find "^# %u+ umpire_%l" == 1 or line:find "^umpire_[%l_]+ [%d.e+-]+$" == 1
        or line:find "^umpire_[%l_]+{.+} [%d.e+-]+$" == 1, line)
    end
    assert.equal(2, (h:ask("status", "--rules", "--metrics")))
    assert.equal(0, h:stop())
  end)

  it("is told of many names that somebody made up, each as itself and all of them", function()
    local h = host.start { rules = "return { api = 1, execute = function() end }" }
    local player = host.client(h.port)
    player:register()
    for i = 1, 300 do player:event { [("\1%03d"):format(i) .. ("\2"):rep(28)] = 1 } end
    for _, name in ipairs { "\3", "\4", "%04", "(others)" } do player:event { [name] = 1 } end
    local code, out = h:ask("status", "--metrics")
    assert.equal(0, code)
    local seen = {}
    for labels in out:gmatch "\n(umpire_[%l_]+{.-}) [%d.e+-]+%f[\n]" do
      assert.is_nil(seen[labels], labels)
      seen[labels] = true
    end
    assert.is_true(seen['umpire_rule_calls_total{handler="execute",protocol="neteria",event="(others)"}'])
    assert.matches("umpire_rule_allocated_bytes{[^\n]+quantile=\"0%.99\"} %d+%s*$", out)
    for _, more in ipairs { "", "--json" } do
      local err
      code, out, err = h:ask("status", "--rules", more ~= "" and more or nil)
      assert.equal(0, code, err)
      local n = select(2, out:gsub(more == "" and "\n  legal %." or '"legal","protocol":"neteria","event":"\\u0001', ""))
      assert.is_true(n > 100, n)
    end
    assert.equal(0, h:stop())
  end)
end)
