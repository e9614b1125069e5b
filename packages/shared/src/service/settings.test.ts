/** What a setting's table says is allowed is what its check allows, and says when it refuses. */
import { expect, it } from 'vitest';
import { readSettings, textOf, url } from './settings.js';

const settings = {
  NAME: textOf({ pattern: /^[a-z]+$/, allowed: 'letters' }, { text: 'T', default: 'a' }),
  ADDRESS: url({ text: 'T', default: '', protocols: ['https:'] }),
  SECRET_ADDRESS: url({ text: 'T', default: '', protocols: ['smtp:'], secret: true }),
};

it('says the form of a text, and refuses what has another one', () => {
  expect(settings.NAME.allowed).toBe('letters');
  expect(readSettings(settings, { NAME: 'b' }).NAME).toBe('b');
  expect(() => readSettings(settings, { NAME: 'b1' })).toThrow('NAME="b1" must be letters; T');
});

it('lets an address be left out whose default is empty, and nothing else be none', () => {
  expect(readSettings(settings, { ADDRESS: '' })).toMatchObject({ ADDRESS: '', SECRET_ADDRESS: '' });
  expect(readSettings(settings, { ADDRESS: 'https://a' }).ADDRESS).toBe('https://a');
  expect(() => readSettings(settings, { ADDRESS: 'http://a' })).toThrow('ADDRESS="http://a" must be https://…; T');
  expect(() => readSettings(settings, { SECRET_ADDRESS: 'b:c@d' })).toThrow('SECRET_ADDRESS must be smtp://…; T');
  const required = { ADDRESS: url({ text: 'T', protocols: ['https:'] }) };
  expect(() => readSettings(required, { ADDRESS: '' })).toThrow('ADDRESS is not set; T (https://…)');
});
