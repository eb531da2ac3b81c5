/** What `npm pack` makes, in an empty folder, with the dependencies of this checkout. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { runProduct, startProduct } from '../support/product.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

let folder: string
let installed: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-package-'))
  await chmod(folder, 0o755)
  installed = join(folder, 'app/node_modules/signalbox')
  await mkdir(installed, { recursive: true })
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await run('npm', ['pack', '--pack-destination', folder], { cwd: root, maxBuffer: 1e8 })
  await run('tar', [
    '-xzf',
    join(folder, `signalbox-${packageJson.version}.tgz`),
    '--strip-components=1',
    '-C',
    installed,
  ])
}, 600_000)
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))

const main = () => join(installed, packageJson.bin.signalbox)

test('the package has what runs and what explains it, and nothing else', async () => {
  expect((await readdir(installed)).toSorted()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'bin',
    'console',
    'dist',
    'docs',
    'examples',
    'migrations',
    'package.json',
    'schema.graphql',
  ])
  expect(await readdir(join(installed, 'migrations'))).toEqual(await readdir(join(root, 'migrations')))
  const files = await readdir(join(installed, 'dist'), { recursive: true })
  expect(files.filter((name) => /\.ts$|\.test\./.test(name))).toEqual([])
})

test('its commands answer', async () => {
  expect(await runProduct({ main: main(), args: ['version'] })).toEqual({ code: 0, output: packageJson.version })
  const help = await runProduct({ main: main(), args: ['--help'] })
  expect(help).toMatchObject({ code: 0, output: expect.stringContaining('Usage: signalbox') })
  expect(await runProduct({ main: main(), args: ['sreve'] })).toMatchObject({ code: 2 })
})

test('it serves, in an empty folder, what a caller asks for', async () => {
  await using product = await startProduct({ main: main(), dataDir: join(folder, 'data') })
  const answer = await fetch(`${product.gatewayUrl}/v1/models`, {
    headers: { authorization: `Bearer ${product.adminKey}` },
  })
  expect([answer.status, await answer.json()]).toEqual([200, { object: 'list', data: [] }])
  await expect(product.graphql.request('{ viewer { scopes } }')).resolves.toBeDefined()
})
