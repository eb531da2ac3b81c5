import { expect, test } from 'vitest'
import { mayHoldError, PlainOpening } from '../../../src/gateway/upstream/plain-opening.ts'
import { inPiecesOf } from '../../support/replies.ts'

function beginningOf(text: string, pieceLength = text.length): string {
  const opening = new PlainOpening()
  let beginning = 'blank'
  for (const piece of inPiecesOf(pieceLength, text)) beginning = opening.push(piece)
  return beginning
}

const answers = [
  '{"choices":[{',
  '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{',
  '{"id":"msg_1","type":"message","role":"assistant","content":[{',
  '{"object":"list","data":[ {',
  '{"error":null,"status":"completed","instructions":"say \\"{\\"","metadata":{"a":[{"b":"}"}]},"output":[{',
  '[{"index":0,"score":0.',
  '[[0.1,',
  '{"input_tokens":1',
  '{"task":"transcribe","duration":8.5,"text":"H',
  '\ufeff {"data":[{',
  'plain text',
  '"a string"',
  '[]',
]

test.each(answers)('%s is an answer, however it is cut', (text) => {
  for (const length of [1, 2, 7, text.length]) expect(beginningOf(text, length)).toBe('answer')
})

test.each(answers.slice(0, 5))('%s is one by its last byte alone, and not before', (text) => {
  expect(beginningOf(text.slice(0, -2))).not.toBe('answer')
})

const unknown = [
  '{',
  '[',
  '[{',
  '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m",',
  '{"id":"x","error":{"message":"choices\\":[1"},"choices":',
  '{"error":{"choices":[{}],"data":[1]},',
  '{"error":"no \\"content\\":\\"x\\" here"}',
  '{"choices":[ ],"content":"","output":null,"data":false',
  '{"a name that is far longer than any that is of interest, choices":[{',
]

test.each(unknown)('%s may be an error yet, however it is cut', (text) => {
  for (const length of [1, 3, text.length]) expect(beginningOf(text, length)).toBe('unknown')
})

test('white space says nothing', () => {
  expect(beginningOf(' \r\n\t\n', 1)).toBe('blank')
  expect(beginningOf('\ufeff\n', 1)).toBe('blank')
})

test.each([
  ['{"error":{"message":"x"}}', true],
  ['{"error":true,"reason":"x"}', true],
  ['{"error":17}', true],
  ['{"error":null,"choices":[]}', false],
  ['{"error":"","choices":[]}', false],
])('whether %s is parsed: %s', (text, isParsed) => {
  expect(mayHoldError(Buffer.from(text))).toBe(isParsed)
})
