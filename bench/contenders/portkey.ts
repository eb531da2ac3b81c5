import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openChildServer } from './child-server.ts'
import { chatPath, type ContenderStart } from './contender.ts'
import { freePort } from '../../test/support/ports.ts'

const run = promisify(execFile)

const manifest = {
  private: true,
  dependencies: { '@portkey-ai/gateway': '1.15.2' },
  // What it was built with; what its ranges allow today does not start.
  overrides: { hono: '4.9.7', '@hono/node-server': '1.13.7' },
}

/** Portkey's gateway, pinned, from npm, in a temporary folder that is kept for the next run. */
export const portkey: ContenderStart = {
  name: 'portkey',
  open: async (upstreamPorts) => {
    const folder = join(tmpdir(), `sbx-portkey-${manifest.dependencies['@portkey-ai/gateway']}`)
    const entry = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js')
    if (!existsSync(entry)) await install(folder)
    const port = await freePort()
    const words = [process.execPath, entry, '--headless', `--port=${port}`]
    const server = await openChildServer(words, port, { cwd: folder, env: { NODE_ENV: 'production' } })
    return {
      name: 'portkey',
      address: (behaviour) => ({
        port,
        path: chatPath,
        headers: {
          authorization: 'Bearer bench',
          'x-portkey-provider': 'openai',
          'x-portkey-custom-host': `http://127.0.0.1:${upstreamPorts[behaviour]}/v1`,
        },
      }),
      pids: server.pids,
      close: server.close,
    }
  },
}

async function install(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
  try {
    await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder, timeout: 120_000 })
  } catch (cause) {
    throw new Error('not here: npm could not install it', { cause })
  }
}
