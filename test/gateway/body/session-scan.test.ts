import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sessionValueOf } from '../../../src/gateway/body/session-scan.ts'

const found = (body: unknown) => sessionValueOf(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))

describe('the session of a request', () => {
  test.each([
    ['previous_response_id', { user: 'u', prompt_cache_key: 'k', previous_response_id: 'resp_1' }, 'resp_1'],
    ['conversation', { user: 'u', conversation: 'conv_1', prompt_cache_key: 'k' }, 'conv_1'],
    ['the id of a conversation', { conversation: { id: 'conv_2' }, user: 'u' }, 'conv_2'],
    ['prompt_cache_key', { user: 'u', prompt_cache_key: 'k' }, 'k'],
    ['user', { model: 'm', user: 'u' }, 'u'],
  ])('is by %s', (_, body, expected) => {
    expect(found({ model: 'm', ...body, messages: [] })).toBe(expected)
  })

  test.each([
    ['members that are deeper', { messages: [{ user: 'no' }], metadata: { prompt_cache_key: 'no' } }],
    ['text that looks like one', { messages: [{ content: '","user":"no"' }], note: '\\","user":"no' }],
    ['null, numbers and empty text', { user: null, prompt_cache_key: 7, conversation: {}, previous_response_id: '' }],
    ['values that are too long', { user: 'x'.repeat(2_000) }],
    ['an empty object', {}],
  ])('is not by %s', (_, body) => {
    expect(found(body)).toBeNull()
  })

  test('is found when its name is written with escapes, and by the last of two', () => {
    expect(found('{"us\\u0065r" : "first", "user":\n"last" }')).toBe('last')
  })

  test('is what a parser finds, whatever else is in the body', () => {
    const names = fc.oneof(fc.constantFrom('user', 'prompt_cache_key', 'conversation', 'x'), fc.string())
    fc.assert(
      fc.property(fc.dictionary(names, fc.jsonValue(), { noNullPrototype: true }), fc.boolean(), (body, isPretty) => {
        const text = JSON.stringify(body, null, isPretty ? 2 : 0)
        const parsed = JSON.parse(text) as Record<string, unknown>
        const valueOf = (name: string) => {
          const value = Object.hasOwn(parsed, name) ? parsed[name] : undefined
          const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : value
          return typeof id === 'string' && id !== '' ? id : undefined
        }
        const expected = valueOf('conversation') ?? valueOf('prompt_cache_key') ?? valueOf('user') ?? null
        expect(found(text)).toBe(expected)
      }),
      { numRuns: 500 },
    )
  })
})
