#!/usr/bin/env node
// Any Node can read this: the check comes before what an old one cannot.
import '../dist/require-node.js'

await import('../dist/main.js')
