import { connectionType } from './connection.ts'
import { ApiKeyRef } from './refs.ts'

export const ApiKeyConnection = connectionType('ApiKey', ApiKeyRef, { isCounted: true, description: 'A page of keys.' })
