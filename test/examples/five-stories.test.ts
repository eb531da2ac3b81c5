import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasPrograms, runExample } from '../support/examples.ts'
import { type Product, startProduct } from '../support/product.ts'
import { openUpstream, refusingBaseUrl, type Upstream } from '../support/upstream.ts'

describe.runIf(hasPrograms('jq', 'curl'))('examples/shell/five-stories.sh', () => {
  let product: Product
  let servers: Record<'old' | 'next' | 'paid' | 'existing', Upstream>
  beforeAll(async () => {
    servers = {
      old: await openUpstream({ name: 'old', models: ['Qwen/Qwen3-8B'] }),
      next: await openUpstream({ name: 'new', models: ['Qwen/Qwen3-8B-2507'] }),
      paid: await openUpstream({ name: 'paid', models: ['gpt-4o-mini'], secret: 'sk-provider' }),
      existing: await openUpstream({ name: 'existing', models: ['llama3.2'] }),
    }
    product = await startProduct()
  })
  afterAll(async () => {
    await product.stop()
    for (const server of Object.values(servers)) await server.close()
  })

  const tellStories = (env: Record<string, string> = {}) =>
    runExample(product, 'shell/five-stories.sh', {
      env: {
        OLD_URL: servers.old.baseUrl,
        NEW_URL: servers.next.baseUrl,
        PROVIDER_URL: servers.paid.baseUrl,
        PROVIDER_KEY: 'sk-provider',
        EXISTING_URL: servers.existing.baseUrl,
        ...env,
      },
    })
  const versionNow = async () => {
    const { configStatus } = await product.graphql.request<{ configStatus: { version: number } }>(
      '{ configStatus { version } }',
    )
    return configStatus.version
  }
  const answersIn = (output: string) => output.split('\n').filter((line) => line.includes(': hello from '))

  test('each story is answered by the backend that it is about', async () => {
    const { code, stdout, stderr } = await tellStories()
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const [first, upgraded, ...rest] = answersIn(stdout)
    const [fallback, existing] = rest.slice(3)
    expect([first, upgraded]).toEqual(['story-old: hello from old', 'story-new: hello from new'])
    expect(rest.slice(0, 3).sort()).toEqual([
      'story-new: hello from new',
      'story-paid/gpt-4o-mini: hello from paid',
      'story-paid/gpt-4o-mini: hello from paid',
    ])
    expect([fallback, existing]).toEqual([
      'story-paid/gpt-4o-mini: hello from paid',
      'story-existing/llama3.2: hello from existing',
    ])
    expect(stdout).not.toContain('sk-provider')
  })

  test('a second run changes nothing', async () => {
    const before = await versionNow()
    const { code, stdout } = await tellStories()
    expect(code).toBe(0)
    expect(answersIn(stdout)).toHaveLength(7)
    expect(await versionNow()).toBe(before)
  })

  test('a refusal ends it with the message of the API', async () => {
    const wrongKey = await tellStories({ SIGNALBOX_KEY: 'not-a-key-of-this-installation' })
    expect(wrongKey).toMatchObject({ code: 1, stdout: '' })
    expect(wrongKey.stderr).toMatch(/^UNAUTHENTICATED: Send the key/)

    await using fresh = await startProduct()
    const unsafe = await runExample(fresh, 'shell/five-stories.sh', {
      env: { OLD_URL: 'http://user:secret@127.0.0.1/v1', PROVIDER_KEY: 'sk-provider' },
    })
    expect(unsafe.code).toBe(1)
    expect(unsafe.stderr).toMatch(/^\w+ .*: /)
    expect(unsafe.stdout).not.toContain('2. Upgrade')
  })

  test('an API that is away, or is none, ends it before anything is done', async () => {
    expect(await tellStories({ SIGNALBOX_URL: new URL(await refusingBaseUrl()).origin })).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('Failed to connect') as string,
    })
    expect(await tellStories({ SIGNALBOX_URL: product.gatewayUrl })).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('is no GraphQL API') as string,
    })
  })
})
