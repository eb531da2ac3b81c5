import type { Operation } from '../../routing/vendors/operation.ts'
import { completions } from './completions.ts'
import { countsOnly } from './counts-only.ts'
import { messages } from './messages.ts'
import { responses } from './responses.ts'
import type { StreamProtocol } from './stream-protocol.ts'
import { typedParts } from './typed-parts.ts'

/** What the answers to an operation mean. */
export function streamProtocolOf(operation: Operation): StreamProtocol {
  if (operation.stream === 'choices') return completions
  if (operation.protocol === 'anthropic') return messages
  if (operation.path === '/v1/responses') return responses
  return operation.usage === 'input' ? countsOnly : typedParts
}
