-- The control socket, and who talks to it in another manner than umpire's own commands.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"
local uv = require "luv"

describe("the control socket", function()
  after_each(host.cleanup)

  it("parts with who asks and never reads, and keeps little for him", function()
    local h = host.start { rules = "return { api = 1 }" }
    local pipe, failed, expired = uv.new_pipe(false), nil, false
    local timer = uv.new_timer()
    timer:start(10000, 0, function() expired = true end)
    local function ask(err)
      failed = failed or err
      if not failed and not expired then pipe:write(('{"command":"metrics"}\n'):rep(100), ask) end
    end
    pipe:connect(h.control, ask)
    while not failed and not expired do uv.run "once" end
    timer:close()
    pipe:close()
    assert.is_string(failed)
    assert.is_true(h:status().memory < 64 * 1024 * 1024)
    assert.equal(0, h:stop())
  end)
end)
