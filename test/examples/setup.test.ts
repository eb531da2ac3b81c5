import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { examplesDir, hasPrograms, runExample } from '../support/examples.ts'
import { type Product, startProduct } from '../support/product.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

describe.runIf(hasPrograms('python3'))('examples/python/setup.py', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-setup-'))
  const file = join(folder, 'setup.json')
  const example = readFileSync(join(examplesDir, 'python/setup.json'), 'utf8')
  let product: Product
  let own: Upstream
  let paid: Upstream
  beforeAll(async () => {
    own = await openUpstream({ name: 'own', models: ['Qwen/Qwen3-8B'] })
    paid = await openUpstream({ name: 'paid', models: ['gpt-4o-mini'], secret: 'sk-first-1234' })
    product = await startProduct()
  })
  afterAll(async () => {
    await product.stop()
    await own.close()
    await paid.close()
    rmSync(folder, { recursive: true })
  })

  /** Runs it with the example's file after `edit`; what it wrote, line by line. */
  const setUp = async (edit = (text: string) => text, secret = 'sk-first-1234', ...args: string[]) => {
    const text = example
      .replace('http://127.0.0.1:8000/v1', own.baseUrl)
      .replace('https://api.openai.com/v1', paid.baseUrl)
    writeFileSync(file, edit(text))
    const run = await runExample(product, 'python/setup.py', { args: [file, ...args], env: { OPENAI_API_KEY: secret } })
    expect(run.stdout + run.stderr).not.toContain(secret)
    return { ...run, stdout: run.stdout.split('\n').slice(0, -1) }
  }
  const versionNow = async () =>
    (await product.graphql.request<{ configStatus: { version: number } }>('{ configStatus { version } }')).configStatus
      .version
  const everything = ['deploymentCreate qwen3-8b', 'providerCreate openai', 'routeCreate chat', 'routeCreate assistant']

  test('a dry run says what would be done and does nothing', async () => {
    const before = await versionNow()
    expect(await setUp(undefined, undefined, '--dry-run')).toMatchObject({ code: 0, stdout: everything })
    expect(await versionNow()).toBe(before)
  })

  test('the first run makes all of it, the second one changes nothing', async () => {
    expect(await setUp()).toEqual({ code: 0, stdout: everything, stderr: '' })
    const before = await versionNow()
    expect(await setUp()).toEqual({ code: 0, stdout: [], stderr: '' })
    expect(await setUp((text) => text.replaceAll('/v1"', '/v1/"'))).toEqual({ code: 0, stdout: [], stderr: '' })
    expect(await versionNow()).toBe(before)
    const response = await fetch(`${product.gatewayUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${product.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'assistant', messages: [] }),
    })
    expect(response.status).toBe(200)
  })

  test.each([
    ['a weight', (text: string) => text.replace('200', '300'), ['routeTargetsSet chat']],
    ['an endpoint', (text: string) => text.replace('127.0.0.1', 'localhost'), ['deploymentUpdate qwen3-8b']],
    ['a model', (text: string) => text.replace('"Qwen/Qwen3-8B"', '"other"'), ['deploymentUpdate qwen3-8b']],
    ['no fallback', (text: string) => text.replace(/,\s*"fallback": \[.*\]/, ''), ['routeFallbackSet assistant']],
  ])('of a file with %s changed it changes that, and the example brings it back', async (_, edit, changes) => {
    expect(await setUp(edit)).toEqual({ code: 0, stdout: changes, stderr: '' })
    expect(await setUp(edit)).toEqual({ code: 0, stdout: [], stderr: '' })
    expect(await setUp()).toEqual({ code: 0, stdout: changes, stderr: '' })
  })

  test('a new secret replaces the stored one', async () => {
    expect((await setUp(undefined, 'sk-second-5678')).stdout).toEqual(['providerUpdate openai'])
    expect((await setUp(undefined, 'sk-second-5678')).stdout).toEqual([])
  })

  test('what the API refuses ends it with the message', async () => {
    const { code, stderr } = await setUp((text) => text.replace('"weight": 200', '"weight": -1'), 'sk-second-5678')
    expect(code).toBe(1)
    expect(stderr).toMatch(/^INVALID .*weight: /)
  })
})
