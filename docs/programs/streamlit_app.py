"""A chat page with Streamlit: `streamlit run streamlit_app.py`."""

import streamlit as st

from emitter_stream import OpenAI

client = st.cache_resource(OpenAI)()  # one for all sessions

for role, text in st.session_state.setdefault("dialogue", []):
    st.chat_message(role).write(text)

if question := st.chat_input("Your question"):
    st.chat_message("user").write(question)
    box = st.chat_message("assistant").empty()
    # inline: the listener is called on this thread, which knows the session. A rerun while it
    # waits aborts the stream.
    response = (
        client.responses.stream(
            model="gpt-4o",
            input=question,
            previous_response_id=st.session_state.get("previous"),
            inline=True,
        )
        .on("response.output_text.delta", lambda event: box.write(event.snapshot))
        .final_response()
    )
    st.session_state["previous"] = response.id
    st.session_state["dialogue"] += [("user", question), ("assistant", response.output_text)]
