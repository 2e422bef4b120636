-- The guides, tried as a reader would: files are written as they are shown, specs run, other code runs by its kind, commands
-- and their flags are there, links lead somewhere.
--
-- A block whose first line is "-- NAME.lua" is that file from then on; NAME_spec.lua is run by busted in the reader's folder.
-- A block that begins with a blank is an excerpt of something longer, and is only to be read.
package.path = "tests/spec/?.lua;" .. package.path
local sim = require "umpire.sim"
local blocks = require "blocks"

local GUIDES = "scripts/umpire/guides"

local function lines_of(command)
  local pipe, lines = io.popen(command), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

local here = lines_of("pwd")[1]
local function absolute(path) return (path:gsub("[^;]+", function(p) return p:find "^[/;]" and p or here .. "/" .. p end)) end
local ENVIRONMENT = ("LUA_PATH_5_4='%s' LUA_CPATH_5_4='%s'"):format(absolute(package.path), absolute(package.cpath))
local BUSTED = lines_of("command -v busted")[1]

local function run_spec(folder, name)
  local command = ("cd %s && %s lua5.4 %s -o TAP %s 2>&1"):format(folder, ENVIRONMENT, BUSTED, name)
  local out = table.concat(lines_of(command), "\n")
  assert(out:find "ok 1" and not out:find "not ok", name .. ":\n" .. out)
end

local function write(folder, name, code)
  local path = folder .. "/" .. name
  os.execute(("mkdir -p %s"):format(path:match "(.*)/"))
  local file = assert(io.open(path, "w"))
  file:write(code)
  file:close()
  return path
end

-- A rulebook is played with: its folder is the one that it will be served from.
local function try_file(folder, name, code)
  local path = write(folder, name, code)
  if name:find "_spec%.lua$" then return run_spec(folder, name) end
  if blocks.kind(code) ~= "rulebook" or not code:find "api%s*=" then return assert(load(code, "=" .. name)) end
  local world = sim.run(name:find "init%.lua$" and path:match "(.*)/" or path)
  world:advance(5)
  local ok, report = world:reload()
  world:close()
  assert(ok, report)
end

local function name_of(code) return code:match "^%-%- ([%w_/%-%.]+%.lua)%f[\n:]" end

-- Without a sanitizer's runtime for the interpreter, as the program has its own.
local HELP = "unset LD_PRELOAD; %s %s --help 2>&1"

local function guides() return lines_of("ls " .. GUIDES .. "/*.md") end

describe("each guide's code works:", function()
  for _, path in ipairs(guides()) do
    it(path:match "([^/]+)$", function()
      local folder = os.tmpname()
      os.remove(folder)
      for _, fence in ipairs(blocks.fences(blocks.read(path), "lua")) do
        local name, is_excerpt = name_of(fence.code), fence.code:find "^%s"
        local where = ("%s:%d"):format(path, fence.line)
        local ok, why = pcall(function()
          if name then try_file(folder, name, fence.code) elseif not is_excerpt then blocks.try(fence.code, where) end
        end)
        assert(ok, where .. ": " .. tostring(why))
      end
      os.execute("rm -rf " .. folder)
    end)
  end
end)

describe("each guide's commands are there:", function()
  local program = (os.getenv "UMPIRE_BUILD" or "build") .. "/umpire"
  local helps = {}
  local function help(command)
    helps[command] = helps[command] or table.concat(lines_of(HELP:format(program, command)), "\n")
    return helps[command]
  end
  for _, path in ipairs(guides()) do
    it(path:match "([^/]+)$", function()
      for _, fence in ipairs(blocks.fences(blocks.read(path), "sh")) do
        for command, rest in fence.code:gmatch "%f[%w_/]umpire ([%a]+)([^\n|;#&]*)" do
          assert.truthy(help(command):find("^umpire " .. command), path .. ": umpire " .. command)
          for flag in rest:gmatch "%-%-[%w%-]+" do
            assert.truthy(help(command):find(flag, 1, true), ("%s: umpire %s knows no %s"):format(path, command, flag))
          end
        end
      end
    end)
  end
end)

describe("each guide", function()
  it("leads to pages that are there", function()
    for _, path in ipairs(guides()) do
      local prose = blocks.read(path):gsub("\n```.-\n```", "")
      for link in prose:gmatch "%]%(([%w_/%.%-]+)#?[%w%-]*%)" do
        local file = io.open(GUIDES .. "/" .. link)
        assert.truthy(file, path .. ": " .. link)
        file:close()
      end
    end
  end)
  it("is named on the page of the library", function()
    local page = blocks.read "scripts/umpire/README.md"
    for _, path in ipairs(guides()) do
      local name = path:match "([^/]+)$"
      assert.truthy(page:find("(guides/" .. name .. ")", 1, true), name)
    end
  end)
end)
