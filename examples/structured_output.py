"""Structured output: an answer that is an object of a pydantic model."""

import _setup
from pydantic import BaseModel

from emitter_stream import OpenAI


class Reading(BaseModel):
    city: str
    degrees: int


_setup.use_embedded_server()
openai = OpenAI()

stream = openai.responses.stream(
    model="gpt-4o",
    input="In Oslo it is 17 degrees.",
    text_format=Reading,
).on("response.output_text.delta", lambda event: print(event.snapshot))

reading = stream.final_response().output_parsed
print(reading.city, reading.degrees)

# Node:
#
# import OpenAI from 'openai';
# import { zodTextFormat } from 'openai/helpers/zod';
# import { z } from 'zod';
#
# const Reading = z.object({
#   city: z.string(),
#   degrees: z.number().int(),
# });
#
# const openai = new OpenAI();
#
# const stream = openai.responses.stream({
#   model: 'gpt-4o',
#   input: 'In Oslo it is 17 degrees.',
#   text: { format: zodTextFormat(Reading, 'Reading') },
# }).on('response.output_text.delta', (event) => console.log(event.snapshot));
#
# const reading = (await stream.finalResponse()).output_parsed;
# console.log(reading.city, reading.degrees);
