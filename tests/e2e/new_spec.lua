-- umpire new: the folder that it makes works at once, wherever it is made and wherever umpire is.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- A command as a user types it in a folder, with umpire (of this build, or the one in bin) on the PATH and nothing else
-- of ours in the environment: exit code, what it wrote.
local function sh(folder, command, bin)
  if not bin then bin = host.program:match "(.*)/" end
  if bin:sub(1, 1) ~= "/" then bin = os.getenv "PWD" .. "/" .. bin end
  local line = ("cd %s && unset ${!UMPIRE_*} ${!LUA_*} LD_PRELOAD; PATH=%s:$PATH; %s 2>&1; echo \"exit $?\""):format(
    quoted(folder), quoted(bin), command)
  -- a simulator that was built with a sanitizer needs its runtime
  local preload = os.getenv "UMPIRE_PRELOAD"
  if preload then line = line:gsub("; PATH=", "; export UMPIRE_PRELOAD=" .. quoted(preload) .. "; PATH=", 1) end
  local pipe = io.popen("bash -c " .. quoted(line))
  local out = pipe:read "a"
  pipe:close()
  return tonumber(out:match "exit (%d+)\n$"), (out:gsub("exit %d+\n$", ""))
end

local function green(folder, name, bin)
  local code, out = sh(folder, "umpire check --strict " .. name .. ".lua", bin)
  assert.equal(0, code, out)
  assert.truthy(out:find(name .. ".lua is a good rulebook", 1, true), out)
  code, out = sh(folder, "umpire test -o TAP", bin)
  assert.equal(0, code, out)
  assert.truthy(out:find "ok 7" and not out:find "not ok", out)
  if not os.getenv "UMPIRE_PRELOAD" then -- the interpreter would need it from the start
    code, out = sh(folder, "lua5.4 $(command -v busted) -o TAP", bin)
    assert.equal(0, code, out)
    assert.truthy(out:find "ok 7", out)
  end
  code, out = sh(folder, "luacheck -q .", bin)
  assert.equal(0, code, out)
  assert.truthy(out:find "0 warnings.-in 2 files" or out:find "in 2 files", out)
end

describe("umpire new", function()
  after_each(host.cleanup)

  it("makes a folder that is green at once, in a path with blanks too", function()
    local folder = host.folder() .. "/my games, all 'of' them"
    assert(os.execute("mkdir " .. quoted(folder)))
    local code, out = sh(folder, "umpire new dice")
    assert.equal(0, code, out)
    assert.truthy(out:find("cd 'dice'\n  umpire check dice.lua\n  umpire test\n  umpire run dice.lua", 1, true), out)
    green(folder .. "/dice", "dice")
  end)

  it("writes the name wherever it belongs, and leaves no mark of a template", function()
    local folder = host.folder()
    assert.equal(0, (sh(folder, "umpire new " .. ("x"):rep(39) .. "1")))
    assert.equal(0, (sh(folder, "umpire new games-1/", nil)))
    local _, out = sh(folder, "grep -rl -e @NAME@ -e '^NAME' . ; find . -name '*NAME*' -o -name 'dot.*'")
    assert.equal("", out)
    local name = ("x"):rep(39) .. "1"
    green(folder .. "/" .. name, name)
    local docker = host.read(folder .. "/games-1/Dockerfile")
    assert.equal('FROM umpire\nCOPY . /games-1\nCMD ["run", "/games-1/games-1.lua"]\n', docker)
    assert.truthy(require "cjson".decode(host.read(folder .. "/games-1/.luarc.json"))["workspace.library"])
  end)

  it("has a rulebook that a host serves", function()
    local folder = host.folder()
    assert.equal(0, (sh(folder, "umpire new dice")))
    local h = host.start { rulebook = folder .. "/dice/dice.lua" }
    local c = host.client(h.port)
    assert.is_true(c:register())
    assert.equal("LEGAL", (c:event { guess = 50 }))
    assert.equal("ILLEGAL", (c:event { guess = 500 }))
    assert.equal(0, h:stop())
  end)

  it("works from where umpire was installed", function()
    local folder, build = host.folder(), host.program:match "(.*)/"
    local pipe = io.popen(("cmake --install %s --prefix %s/prefix 2>&1"):format(quoted(build), quoted(folder)))
    local out = pipe:read "a"
    assert.truthy(pipe:close(), out)
    assert.equal(0, (sh(folder, "umpire new dice", folder .. "/prefix/bin")))
    green(folder .. "/dice", "dice", folder .. "/prefix/bin")
    local _, paths = sh(folder, "umpire test --paths", folder .. "/prefix/bin")
    assert.truthy(paths:find(folder .. "/prefix/bin/../share/umpire\n", 1, true), paths)
    assert.truthy(paths:find(folder .. "/prefix/bin/../lib/umpire\n", 1, true), paths)
  end)

  it("leaves alone what is there, and says what is wrong with a name", function()
    local folder = host.folder()
    local function refused(exit, name, says)
      local code, out = sh(folder, "umpire new " .. name)
      assert.equal(exit, code, out)
      assert.truthy(out:find(says, 1, true), out)
    end
    host.write(folder .. "/taken", "mine")
    assert(os.execute("mkdir " .. quoted(folder .. "/empty")))
    refused(1, "taken", "taken is there already, and is left alone")
    refused(1, "empty", "empty is there already, and is left alone")
    refused(1, "none/dice", "cannot make none/dice: No such file or directory")
    refused(2, "Dice", "a rulebook's name begins with a letter from a to z")
    refused(2, "3d", "a rulebook's name begins with a letter from a to z")
    refused(2, "..", "a rulebook's name begins with a letter from a to z")
    refused(2, "dice.lua", "is made of letters from a to z, digits, '_' and '-'")
    refused(2, "'a b'", "is made of letters")
    refused(2, ("x"):rep(41), "has at most 40 letters")
    refused(2, "umpire", "must not be one that umpire uses itself")
    refused(2, "", "NAME is missing")
    refused(2, "''", "NAME is an empty text")
    assert.equal("mine", host.read(folder .. "/taken"))
    local _, out = sh(folder, "find . | sort")
    assert.equal(".\n./empty\n./taken\n", out)
  end)

  it("brings the copies of annotations up to date, and nothing else", function()
    local folder = host.folder()
    assert.equal(0, (sh(folder, "umpire new dice")))
    local meta = folder .. "/dice/.umpire/meta/umpire.lua"
    local text = host.read(meta)
    host.write(meta, "old")
    host.write(folder .. "/dice/dice.lua", "mine")
    assert.equal(0, (sh(folder .. "/dice", "umpire new --update .")))
    assert.equal(text, host.read(meta))
    assert.equal(host.read "scripts/umpire/meta/umpire.lua", text)
    assert.equal("mine", host.read(folder .. "/dice/dice.lua"))
    local code, out = sh(folder, "umpire new --update .")
    assert.equal(1, code)
    assert.truthy(out:find("--update is for a folder that umpire new made", 1, true), out)
  end)
end)
