-- What a user types: commands, flags, exit codes, messages.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local host = require "host"

local good = "return { api = 1, version = 5, legal = function() return true end }\n"
local bad = "return { api = 1,\n  legal = function( end }\n"

describe("the command line", function()
  after_each(host.cleanup)

  it("explains itself", function()
    local code, out = host.run { "--help" }
    assert.equal(0, code)
    for _, word in ipairs { "new", "run", "check", "test", "reload", "status", "stop" } do
      assert.truthy(out:find("umpire " .. word, 1, true))
    end
    code, out = host.run { "--version" }
    assert.equal(0, code)
    assert.truthy(out:find "^umpire %d+%.%d+%.%d+ %(Lua 5%.4%.%d+, libuv %d")
    for _, command in ipairs { "new", "run", "check", "test", "reload", "status", "stop", "health", "console" } do
      code, out = host.run { command, "--help" }
      assert.equal(0, code)
      assert.truthy(out:find("^umpire " .. command))
      assert.equal(out, (select(2, host.run { "help", command })))
    end
  end)

  it("documents every option of a listen URL and every environment variable", function()
    local _, out = host.run { "run", "--help" }
    for _, option in ipairs { "limit", "per_address", "attempts", "hold_ms", "versions", "server_name", "discoverable",
      "compression", "ignore_encryption" } do
      assert.truthy(out:find("\n  " .. option .. " ", 1, true), option)
    end
    for flag in out:gmatch "\n  %-%-([%w-]+)" do
      assert.truthy(out:find("[UMPIRE_" .. flag:upper():gsub("-", "_") .. "]", 1, true), flag)
    end
  end)

  it("exits 2 on mistakes of usage, and says which", function()
    local book = host.write(host.folder() .. "/rules.lua", good)
    local function usage(args, says, env)
      local code, _, err = host.run(args, env)
      assert.equal(2, code, table.concat(args, " "))
      assert.truthy(err:find(says, 1, true), err)
    end
    usage({}, "umpire run RULEBOOK")
    usage({ "serve" }, 'unknown command "serve"')
    usage({ "run" }, "RULEBOOK is missing")
    usage({ "run", book, "more" }, 'unexpected argument "more"')
    usage({ "run", "" }, "RULEBOOK is an empty text")
    usage({ "run", book, "--lisen", "x" }, "unknown flag --lisen; the flags are --listen, --watch, --control,")
    usage({ "check", book, "-j" }, "unknown flag -j; the flags are --strict, --json")
    usage({ "run", book, "--listen" }, "--listen needs a value")
    usage({ "run", book, "--listen", "http://0.0.0.0:1" }, 'unknown protocol "http"; this program speaks neteria')
    usage({ "run", book, "--listen", "neteria://0.0.0.0:1?hold=1" }, 'unknown option "hold"; neteria knows')
    usage({ "run", book, "--listen", "neteria://0.0.0.0:1?hold=1" }, "hold_ms")
    usage({ "run", book, "--listen", "neteria://0.0.0.0:70000" }, "0 to 65535")
    usage({ "run", book, "--rule-memory", "lots" }, "a number of bytes, such as 64M")
    usage({ "run", book, "--rule-time", "50" }, "a time with its unit")
    usage({ "run", book, "--rule-time", "0s" }, "--rule-time must be a time with its unit, such as 50ms or 2s, at least 1ms")
    usage({ "run", book, "--rule-memory", "1023K" }, "at least 1M, not")
    usage({ "run", book, "--timers", "0" }, "--timers must be a whole number, at least 1, not")
    usage({ "run", book, "--timers", "5000000000" }, "--timers must be at most 4294967295")
    usage({ "run", book, "--control", "" }, "--control must be a text of at least one character")
    usage({ "run", book, "--listen", "neteria://[zz]:1" }, '"zz" is no IPv6 address')
    usage({ "run", book, "--log-level", "loud" }, "debug, info, warn or error")
    usage({ "run", book, "--log-format", "xml" }, "text or json")
    usage({ "run", book }, "the environment variable UMPIRE_LOG_LEVEL must be", { UMPIRE_LOG_LEVEL = "loud" })
    usage({ "run", book }, 'unknown protocol "x"', { UMPIRE_LISTEN = "x://y" })
    usage({ "run", book }, "the environment variable UMPIRE_LISTEN: x://y", { UMPIRE_LISTEN = "x://y" })
    usage({ "run", book }, "UMPIRE_TIMERS must be a whole number, at least 1", { UMPIRE_TIMERS = "0" })
  end)

  it("checks rulebooks", function()
    local folder = host.folder()
    local code, out = host.run { "check", host.write(folder .. "/good.lua", good) }
    assert.equal(0, code)
    assert.truthy(out:find "legal")
    local _, err
    code, _, err = host.run { "check", host.write(folder .. "/bad.lua", bad) }
    assert.equal(1, code)
    assert.truthy(err:find "bad%.lua:2:")
  end)

  it("says what a rulebook is when it is given something else", function()
    local folder = host.folder()
    for _, command in ipairs { "check", "run" } do
      local code, _, err = host.run { command, folder .. "/none.lua" }
      assert.equal(1, code)
      assert.truthy(err:find("none.lua: there is no such file or folder; a rulebook is a .lua file, or a folder with", 1, true))
      code, _, err = host.run { command, folder }
      assert.equal(1, code)
      assert.truthy(err:find(folder .. ": a folder without init.lua", 1, true))
    end
    assert.equal(0, (host.run { "check", host.write(folder .. "/init.lua", good):match "(.*)/" }))
  end)

  it("tells when no host is running", function()
    for _, command in ipairs { "status", "reload", "stop", "health" } do
      local code, _, err = host.run { command, "--control", host.folder() .. "/nobody" }
      assert.equal(1, code)
      assert.truthy(err:find "no host is running at .*/nobody")
    end
  end)

  it("reload waits, and exits 1 with the reason when the rulebook was refused", function()
    local h = host.start { rules = good }
    local code, out = h:ask "reload"
    assert.equal(0, code)
    assert.truthy(out:find "reloaded .*version 5.*hash %x+")
    h:rewrite(bad)
    local _, err
    code, _, err = h:ask "reload"
    assert.equal(1, code)
    assert.truthy(err:find "rules%.lua:2:")
    local s = h:status()
    assert.equal(2, s.rulebook.loads)
    assert.equal(1, s.rulebook.refused)
    assert.equal(0, h:stop())
  end)

  it("status tells what a host is doing, for people and for programs", function()
    local h = host.start { rules = good }
    assert.is_true(host.client(h.port):register())
    local code, out = h:ask "status"
    assert.equal(0, code)
    assert.truthy(out:find "clients   1")
    local s = h:status()
    assert.is_true(s.ok)
    assert.equal(1, s.clients)
    assert.equal(h.pid, s.pid)
    assert.equal(h.rulebook, s.rulebook.path)
    assert.equal(5, s.rulebook.version)
    assert.equal(16, #s.rulebook.hash)
    assert.equal("neteria://127.0.0.1:" .. h.port, s.listeners[1].url)
    assert.equal(1, s.listeners[1].counters.registered)
    assert.equal(1, s.listeners[1].socket.datagrams_in)
    assert.is_true(s.memory > 0 and s.uptime > 0)
    assert.equal(0, h:stop())
  end)

  it("stop waits until the host is gone", function()
    local h = host.start { rules = good }
    assert.equal(0, (h:ask "health"))
    local code = h:ask "stop"
    assert.equal(0, code)
    assert.equal(1, (h:ask "health"))
    local next_one = host.start { rules = good, control = h.control, listen = { "neteria://127.0.0.1:" .. h.port } }
    assert.equal(0, next_one:stop())
    assert.equal(0, h:wait_exit())
  end)

  it("two hosts on one machine have a control socket each", function()
    local one, two = host.start { rules = good }, host.start { rules = good }
    assert.equal(one.pid, one:status().pid)
    assert.equal(two.pid, two:status().pid)
    local third = host.start { rules = good, control = one.control, ready = false }
    assert.equal(3, third:wait_exit())
    assert.truthy(table.concat(third.lines, "\n"):find "belongs to a host that is running")
    assert.equal(0, (two:ask "stop"))
    assert.equal(one.pid, one:status().pid) -- the one that was turned away took nothing with it
    assert.equal(0, two:wait_exit())
    assert.equal(0, one:stop())
  end)

  it("leaves alone what has the name of its control socket and is none", function()
    local folder = host.folder()
    local notes = host.write(folder .. "/notes", "mine")
    local h = host.start { rules = good, control = notes, ready = false }
    assert.equal(3, h:wait_exit())
    assert.truthy(table.concat(h.lines, "\n"):find("something else of that name is there", 1, true))
    assert.equal("mine", host.read(notes))
  end)

  it("takes over the control socket of a host that died", function()
    local h = host.start { rules = good }
    h:signal "KILL"
    h:wait_exit()
    local again = host.start { rules = good, control = h.control }
    assert.equal(again.pid, again:status().pid)
    assert.equal(0, again:stop())
  end)

  it("keeps others from the control socket", function()
    local h = host.start { rules = good }
    local p = assert(io.popen("stat -c %a " .. h.control))
    assert.equal("600\n", p:read "a")
    p:close()
    assert.equal(0, h:stop())
    assert.is_nil(io.open(h.control)) -- and it is gone with its host
  end)

  it("answers nonsense on the control socket, and goes on", function()
    local h = host.start { rules = good }
    local unix = require "socket.unix"
    local function ask(text)
      local s = assert(unix.stream())
      assert(s:connect(h.control))
      s:settimeout(5)
      s:send(text)
      local line = s:receive "*l"
      s:close()
      return line
    end
    assert.is_false(cjson.decode(ask "nonsense\n").ok)
    assert.is_false(cjson.decode(ask '{"command":"explode"}\n').ok)
    assert.is_true(cjson.decode(ask '{"command":"health"}\n').ok)
    assert.is_nil(ask(("x"):rep(5000))) -- a line without end: closed
    assert.is_true(h:status().ok)
    assert.equal(0, h:stop())
  end)

  it("runs busted with the library on the path", function()
    local folder = host.folder()
    host.write(folder .. "/a_spec.lua", [[
it("finds the library", function() assert.is_truthy(package.path:find("scripts/?.lua", 1, true)) end)
it("finds the simulator's module", function() assert.is_truthy(package.cpath:find "%?%.so") end)
]])
    local code, out = host.run { "test", "-o", "TAP", folder }
    assert.equal(0, code, out)
    assert.truthy(out:find "ok 2")
    local _, err
    code, _, err = host.run({ "test" }, { PATH = folder })
    assert.equal(1, code)
    assert.truthy(err:find "apt%-get install lua5.4")
  end)
end)
