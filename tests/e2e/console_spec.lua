-- `umpire console`: Lua in a running host.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"

local rules = [[
local host = require "umpire"
local score, MOST = { red = 1, blue = 2 }, 3
local function add(team, n) score[team] = score[team] + n end
return {
  api = 1, version = 1,
  connect = function(client) client.data.team = "red" end,
  legal = function(_, event)
    if event.name ~= "goal" then return false, "only goals count" end
    return event.data <= MOST, "too many at once"
  end,
  execute = function(client, event)
    add(client.data.team, event.data)
    host.broadcast("score", score)
    return { now = score[client.data.team] }
  end,
}
]]

describe("the console", function()
  after_each(host.cleanup)

  -- what a line gives, and whether it was no error
  local function on(h)
    return function(line)
      local code, out, err = h:ask("console", "--eval", line)
      return (code == 0 and out or err):gsub("\n$", ""), code == 0
    end
  end

  it("shows values, locals of the rulebook, clients and their data", function()
    local h = host.start { rules = rules }
    local eval, player = on(h), host.client(h.port)
    assert.equal("3", (eval "1 + 2"))
    assert.equal('"red\\n"', (eval '"red\\n"'))
    assert.equal("{\n  blue = 2,\n  red = 1\n}", (eval "score"))
    assert.equal("3", (eval "MOST"))
    assert.matches("add = function .*rules%.lua:3", (eval "locals()"))
    assert.equal("{}", (eval "clients()"))
    assert.is_true(player:register())
    assert.matches("^{\n  client without a name neteria 127%.0%.0%.1:%d+ %x+%-[%x-]+\n}$", (eval "clients()"))
    assert.equal('"red"', (eval "clients()[1].data.team"))
    assert.equal("1", (eval "local n = 0 for c in host.clients() do n = n + 1 end return n"))
    assert.equal(0, h:stop())
  end)

  it("changes nothing unless the host was started with --console rw", function()
    local h = host.start { rules = rules }
    local eval, player = on(h), host.client(h.port)
    player:register()
    for _, line in ipairs { "score.red = 9", "MOST = 9", "rule.MOST = 9", "clients()[1].data.team = 'blue'", "add('red', 1)",
      "rawset(score, 'red', 9)", "setmetatable(score, {})", "table.insert(score, 1)",
      "host.broadcast('hi')", "host.kick(clients()[1])", "inject(clients()[1], 'goal', 1)", "kick(clients()[1])",
      "for k, v in pairs(locals()) do if k == 'score' then v.red = 9 end end" } do
      local text, ok = eval(line)
      assert.is_false(ok, line)
      if not line:find "table" then assert.matches("start the host with %-%-console rw", text, line) end
    end
    eval "string.format, table.insert = nil, nil"                      -- its own copies, too
    assert.is_false(select(2, eval "math.random()"))                    -- would take one from the rulebook's
    assert.is_false(select(2, eval "load('return string')()"))
    assert.equal("1", (eval "score.red"))
    assert.equal("3", (eval "MOST"))
    assert.equal('"red"', (eval "clients()[1].data.team"))
    assert.equal("LEGAL", (player:event { goal = 2 }))
    assert.equal("3", (eval "score.red"))
    assert.equal(0, h:stop())
  end)

  it("runs nothing of the rulebook's to look at it: neither coroutines nor metamethods, also of hidden metatables", function()
    local h = host.start { rules = [[
      local runs = { n = 0 }
      local function run() runs.n = runs.n + 1 end
      local meta = { __metatable = false, __index = run, __len = run, __pairs = function() run() return next, {} end,
        __tostring = function() run() return "" end, __call = run, __eq = run, __concat = run, __close = run, __lt = run }
      local object, plain, thread = setmetatable({ a = 1 }, meta), { 1, 2 }, coroutine.create(run)
      return { api = 1, execute = function() return runs, object, plain, thread, coroutine.resume(thread) end }
    ]] }
    local eval = on(h)
    for _, line in ipairs { "object", "object.a, object.none, #object", "for _ in pairs(object) do end", "tostring(object)",
      "object()", "object == locals().object", "object .. ''", "object < object", "local o <close> = object", "show(object)",
      "show(locals())", "coroutine.resume(thread)", "coroutine.close(thread)", "coroutine.wrap(run)()", "rule.object.none",
      "table.sort({ object, object })", "setmetatable({}, { __index = object }).none", "error(object)" } do
      eval(line)
      assert.equal("0", (eval "runs.n"), line)
    end
    assert.equal("1\n2", (eval "object.a, #plain"))
    assert.equal("thread", (eval "thread"))
    assert.equal(0, h:stop())
  end)

  it("keeps no memory from the game, and says when it forgets variables", function()
    local h = host.start { rules = [[
      return { api = 1, execute = function() return #("x"):rep(1000000) end }
    ]], flags = { "--rule-memory", "16M" } }
    local eval, player = on(h), host.client(h.port)
    player:register()
    assert.equal("", (eval "kept = { 1 }"))
    assert.equal("1", (eval "#kept"))
    assert.matches("variables is forgotten", (eval "for i = 1, 100 do kept[i] = ('x'):rep(1000000) .. i end"))
    assert.is_false(select(2, eval "kept"))
    assert.equal("LEGAL", (player:event(1)))
    assert.equal(0, h:status().rulebook.errors)
    assert.equal(0, h:stop())
  end)

  it("shows as much of bytes as of letters", function()
    local h = host.start { rules = rules }
    local eval = on(h)
    local text, ok = eval "for i = 1, 40 do print(('\\1'):rep(1000)) end"
    assert.is_true(ok, text)
    assert.matches("%(there is more%)$", text)
    assert.is_true(#text > 31000)
    assert.equal(0, h:stop())
  end)

  it("with rw: sets locals, calls functions, injects events and kicks, all of a line or nothing", function()
    local h = host.start { rules = rules, flags = { "--console", "rw" } }
    local eval, player = on(h), host.client(h.port)
    player:register()
    assert.same({ "", true }, { eval "MOST = 10" })
    assert.same({ "", true }, { eval "add('blue', 5)" })
    assert.equal("7", (eval "score.blue"))
    assert.same({ '{\n  response = "{\\"now\\":9}",\n  verdict = "legal"\n}', true },
      { eval "inject(clients()[1], 'goal', 8)" })
    assert.same({ score = { red = 9, blue = 7 } }, player:notify())
    assert.same({ '{\n  reason = "only goals count",\n  verdict = "illegal"\n}', true },
      { eval "inject(clients()[1], 'jump', 1)" })
    assert.is_false(select(2, eval "host.broadcast('never') error 'no'"))
    assert.is_true(select(2, eval "host.notify(clients()[1], 'after')"))
    assert.equal("after", player:notify())
    assert.is_true(select(2, eval "kick(clients()[1], 'enough')"))
    assert.equal("{}", (eval "clients()"))
    assert.equal(0, h:stop())
  end)

  it("ends a line that takes too long, and the game goes on", function()
    local h = host.start { rules = rules }
    local eval = on(h)
    local text, ok = eval "while true do pcall(error) end"
    assert.is_false(ok)
    assert.matches("^line:1: this call ran for more than its budget of 50 ms", text)
    assert.is_true(host.client(h.port):register())
    assert.matches("there is more", (eval "local t = {} for i = 1, 40 do t[i] = ('x'):rep(200) end t = {t,t,t,t,t,t} return t"))
    assert.equal(0, h:stop())
  end)

  it("is no part of the rulebook: its hash stays, a reload forgets what was defined", function()
    local h = host.start { rules = rules, flags = { "--console", "rw" } }
    local eval, before = on(h), h:status().rulebook.hash
    eval "mine = 5"
    assert.equal("5", (eval "mine"))
    assert.equal(before, h:status().rulebook.hash)
    assert.equal(0, (h:ask "reload"))
    assert.is_false(select(2, eval "mine"))
    assert.equal(0, h:stop())
  end)

  it("reads scripts from standard input, with lines that go on, and exits 1 if one failed", function()
    local h = host.start { rules = rules }
    local function script(text)
      local path, out = host.write(h.folder .. "/script", text), h.folder .. "/out"
      local command = host.shell .. ("%s console --control %s <%s >%s 2>&1"):format(host.program, h.control, path, out)
      local code = select(3, os.execute(command))
      return code, host.read(out)
    end
    assert.same({ 0, "1\n2\n" }, { script "for i = 1, 2 do\nprint(i)\nend\nquit\nerror 'unread'\n" })
    local code, out = script "nothing_of_that_name\n1\n"
    assert.equal(1, code)
    assert.matches('^line:1: there is no "nothing_of_that_name"', out)
    assert.matches("\n1\n$", out)
    assert.same({ 1, "umpire console: the last line is not complete\n" }, { script "for" })
    assert.equal(0, h:stop())
  end)

  it("on a terminal: a prompt, completion by the tab key, and a history that is the user's alone", function()
    host.needs_terminal(pending)
    local h = host.start { rules = rules }
    local typed, out = host.write(h.folder .. "/typed", "scor\t.bl\t\nquit\n"), h.folder .. "/out"
    local command = "XDG_STATE_HOME=%s/state TERM=dumb script -qec '%s console --control %s' /dev/null <%s >%s"
    local code = select(3, os.execute(host.shell .. command:format(h.folder, host.program, h.control, typed, out)))
    assert.equal(0, code)
    assert.matches("umpire> ", host.read(out))
    assert.matches("\n2\r?\n", host.read(out))
    assert.matches("score%.blue", host.read(h.folder .. "/state/umpire/console"))
    assert.equal("600\n", io.popen("stat -c %a " .. h.folder .. "/state/umpire/console"):read "a")
    assert.equal(0, h:stop())
  end)

  it("can be switched off, and says what is wrong with its flags", function()
    local h = host.start { rules = rules, flags = { "--console", "none" } }
    local code, _, err = h:ask("console", "--eval", "1")
    assert.equal(1, code)
    assert.matches("started with %-%-console none", err)
    assert.equal(0, h:stop())
    code, _, err = host.run { "run", h.rulebook, "--console", "wr" }
    assert.equal(2, code)
    assert.matches("%-%-console is ro, rw or none, not 'wr'", err)
    code, _, err = host.run { "console", "--control", h.folder .. "/nobody", "--eval", "1" }
    assert.equal(1, code)
    assert.matches("no host is running at", err)
  end)
end)
