import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  benchesCredential,
  classifyFailure,
  classifyStatus,
  countsForCircuit,
  parseRetryAfter,
  saysContextLength,
} from '../../../src/routing/health/classify-outcome.ts'

describe('a status means', () => {
  test.each([
    [429, 'RATE_LIMITED'],
    [500, 'SERVER_ERROR'],
    [502, 'SERVER_ERROR'],
    [503, 'SERVER_ERROR'],
    [504, 'SERVER_ERROR'],
    [529, 'SERVER_ERROR'],
    [401, 'UPSTREAM_AUTH'],
    [403, 'UPSTREAM_AUTH'],
    [404, 'UPSTREAM_NOT_FOUND'],
    [200, 'answer'],
    [204, 'answer'],
    [302, 'SERVER_ERROR'],
    [400, 'answer'],
    [402, 'UPSTREAM_AUTH'],
    [405, 'OPERATION_NOT_SERVED'],
    [408, 'SERVER_ERROR'],
    [409, 'answer'],
    [413, 'answer'],
    [422, 'answer'],
    [425, 'SERVER_ERROR'],
    [501, 'SERVER_ERROR'],
    [505, 'SERVER_ERROR'],
    [507, 'SERVER_ERROR'],
    [520, 'SERVER_ERROR'],
    [530, 'SERVER_ERROR'],
    [598, 'SERVER_ERROR'],
  ])('%i: %s', (status, expected) => {
    expect(classifyStatus(status)).toBe(expected)
  })

  test('a 400 or 422 about the context length: CONTEXT_LENGTH; the same words with another status: what that means', () => {
    const error = { message: '', codes: ['context_length_exceeded'], hasFlags: false }
    expect(classifyStatus(400, error, true)).toBe('CONTEXT_LENGTH')
    expect(classifyStatus(422, error, true)).toBe('CONTEXT_LENGTH')
    expect(classifyStatus(400, error)).toBe('answer')
    expect(classifyStatus(200, error, true)).toBe('answer')
    expect(classifyStatus(500, error, true)).toBe('SERVER_ERROR')
  })

  test('no answer: TIMEOUT or CONNECT_ERROR', () => {
    expect(classifyFailure(true)).toBe('TIMEOUT')
    expect(classifyFailure(false)).toBe('CONNECT_ERROR')
  })
})

test('what a client can cause never counts for a circuit', () => {
  for (const status of [200, 400, 404, 409, 413, 415, 422]) expect(countsForCircuit(classifyStatus(status))).toBe(false)
  expect(countsForCircuit('CONTEXT_LENGTH')).toBe(false)
  expect(countsForCircuit('SATURATED')).toBe(false)
  for (const status of [401, 403, 429, 500, 502, 503, 504, 529]) {
    expect(countsForCircuit(classifyStatus(status))).toBe(true)
  }
})

test('401, 403 and 429 speak against the credential, nothing else does', () => {
  const benching = [400, 401, 403, 404, 429, 500, 503].filter((status) => benchesCredential(classifyStatus(status)))
  expect(benching).toEqual([401, 403, 429])
})

describe('Retry-After', () => {
  const nowMs = Date.parse('2026-11-22T10:00:00Z')

  test.each([
    ['0', 0],
    ['7', 7_000],
    [' 7 ', 7_000],
    ['1.5', 1_500],
    ['86400', 300_000],
    ['Sun, 22 Nov 2026 10:00:30 GMT', 30_000],
    ['Sunday, 22-Nov-26 10:00:30 GMT', 30_000],
    ['Sun Nov 22 10:00:30 2026 GMT', 30_000],
    ['Sun, 22 Nov 2026 10:00:30 UTC', 30_000],
    ['Sun, 22 Nov 2026 11:00:30 +0100', 30_000],
    ['Sun, 22 Nov 2020 10:00:30 GMT', 0],
    ['Sun, 22 Nov 2030 10:00:30 GMT', 300_000],
    ['', null],
    ['-1', null],
    ['soon', null],
    ['1e3', null],
    ['0x10', null],
    ['Sun, 99 Nov 2026 99:99:99 GMT', null],
    ['9'.repeat(100), null],
    [undefined, null],
  ])('%j asks for %j ms', (value, expected) => {
    expect(parseRetryAfter(value, nowMs)).toBe(expected)
  })

  test('without a zone is GMT, wherever the gateway is', () => {
    const zone = process.env['TZ']
    process.env['TZ'] = 'America/New_York'
    const ms = parseRetryAfter('Sun Nov 22 10:00:30 2026', nowMs)
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
    expect(ms).toBe(30_000)
  })

  test('is null or between 0 and 5 min, whatever it says', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const ms = parseRetryAfter(value, nowMs)
        expect(ms === null || (ms >= 0 && ms <= 300_000)).toBe(true)
      }),
    )
  })
})

const openAi = (error: object) => JSON.stringify({ error })

describe('a body says that the prompt is too long', () => {
  test.each([
    [
      'OpenAI, Azure, Groq',
      openAi({ message: 'x', type: 'invalid_request_error', param: 'messages', code: 'context_length_exceeded' }),
    ],
    ['llama.cpp', openAi({ code: 400, message: 'x', type: 'exceed_context_size_error', n_ctx: 8192 })],
    [
      'Anthropic',
      JSON.stringify({
        type: 'error',
        error: { type: 'invalid_request_error', message: 'prompt is too long: 201234 tokens > 200000 maximum' },
      }),
    ],
    [
      'Anthropic, with max_tokens',
      JSON.stringify({
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: 'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000',
        },
      }),
    ],
    [
      'vLLM',
      openAi({
        message: "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
        type: 'BadRequestError',
        param: null,
        code: 400,
      }),
    ],
    [
      'vLLM before it had an envelope',
      JSON.stringify({
        object: 'error',
        message: "This model's maximum context length is 4096 tokens.",
        type: 'BadRequestError',
        code: 400,
      }),
    ],
    [
      'SGLang',
      JSON.stringify({
        object: 'error',
        message: "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
        type: 'BadRequestError',
        code: 400,
      }),
    ],
    [
      'TGI',
      JSON.stringify({
        error: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000',
        error_type: 'validation',
      }),
    ],
    [
      'Gemini',
      JSON.stringify([
        {
          error: {
            code: 400,
            message: 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
            status: 'INVALID_ARGUMENT',
          },
        },
      ]),
    ],
    ['Bedrock', JSON.stringify({ message: 'Input is too long for requested model.' })],
    [
      'vLLM, its engine',
      openAi({
        message: 'The decoder prompt (length 5000) is longer than the maximum model length of 4096.',
        type: 'BadRequestError',
        code: 400,
      }),
    ],
    ['LM Studio', JSON.stringify({ error: 'Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)' })],
    [
      'LM Studio, before',
      JSON.stringify({
        error: 'The number of tokens to keep from the initial prompt is greater than the context length.',
      }),
    ],
    [
      'Moonshot',
      openAi({
        message: 'Invalid request: Your request exceeded model token limit: 8192',
        type: 'invalid_request_error',
      }),
    ],
    [
      'xAI',
      openAi({ message: "This model's maximum prompt length is 131072 but the request contains 200000 tokens." }),
    ],
    ['Qwen', openAi({ code: 'InvalidParameter', message: 'Range of input length should be [1, 30720]' })],
    [
      'a failed response',
      JSON.stringify({ type: 'response.failed', response: { error: { code: 'context_length_exceeded' } } }),
    ],
  ])('as %s does', (_, body) => {
    expect(saysContextLength(body)).toBe(true)
  })

  test.each([
    [
      'another error',
      openAi({ message: 'Invalid value for temperature', type: 'invalid_request_error', code: 'invalid_value' }),
    ],
    ['a prompt that quotes it elsewhere', JSON.stringify({ error: { message: 'no' }, echo: 'prompt is too long' })],
    ['text', 'prompt is too long'],
    ['nothing', ''],
    ['null', 'null'],
    ['a number', '12'],
    ['an empty list', '[]'],
    ['codes of another type', openAi({ code: 400, type: null, message: 7 })],
    ['half a body', '{"error":{"code":"context_length_exceeded"'],
  ])('but not with %s', (_, body) => {
    expect(saysContextLength(body)).toBe(false)
  })
})
