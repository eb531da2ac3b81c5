import { expect, test } from 'vitest'
import { AnswerParser } from '../../../src/gateway/http1/client/answer-parser.ts'

const nobody = { onHead: () => {}, onBody: () => {} }

test('a server that sends informational answers without end is refused', () => {
  const parser = new AnswerParser(nobody)
  const one = Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n')
  const progress = Array.from({ length: 3_000 }, () => parser.push(one))
  expect(progress.slice(0, 100).every((state) => state === 'more')).toBe(true)
  expect(progress.at(-1)).toBe('malformed')
})

test('some of them are passed over before each answer anew', () => {
  const parser = new AnswerParser(nobody)
  const hints = `HTTP/1.1 103 Early Hints\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`
  const answer = Buffer.from(`${hints}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n`)
  for (let i = 0; i < 3; i++) {
    parser.begin()
    expect(parser.push(answer)).toBe('whole')
  }
})

test('a head that comes byte by byte is read as one that comes whole, and its bytes are not copied anew for each', () => {
  const head = Buffer.from(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(60_000)}\r\ncontent-length: 1\r\n\r\n`)
  const parser = new AnswerParser(nobody)
  for (const byte of head) expect(parser.push(Buffer.from([byte]))).toBe('more')
  expect(parser.head?.contentLength).toBe(1)
  expect(parser.push(Buffer.from('x'))).toBe('whole')
})
