import { builder } from './builder.ts'

export const QueryRef = builder.queryType({ description: 'Reads. Nothing here changes anything.' })
