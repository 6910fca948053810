"""What the diffusion model is told. `Picture 1`, `Picture 2` are the references in their order."""

ENVIRONMENTS = {
    "living_room": "a bright, tasteful living room",
    "bedroom": "a calm, cosy bedroom",
    "kitchen": "a clean, modern kitchen",
    "dining_room": "an inviting dining room",
    "bathroom": "a clean, elegant bathroom",
    "office": "a tidy, modern office",
    "outdoor": "a beautiful terrace outdoors, in natural daylight",
    "studio": "a photo studio with a seamless backdrop and soft light",
}

SURFACES = {"floor": "standing on the floor", "wall": "hanging on the wall", "tabletop": "standing on the table top"}


def edit_prompt(instructions: str, surface: str, harmonize: float | None) -> str:
    """Picture 1 is the room with the product set into it by the compositor, Picture 2 the product."""
    keep = " Keep the product's own pixels; add only its shadow and the light of the room." if harmonize == 0 else ""
    wish = f" The customer's wish: {instructions}" if instructions else ""
    return (
        "Picture 1 is a photo of a room into which the product of Picture 2 was pasted. Make the product truly belong: "
        f"{SURFACES[surface]}, at exactly the same place and size, lit by the room's light, with its contact and cast "
        "shadow, and partly hidden by whatever stands in front of it. Keep the product's shape, colour, texture and "
        f"text as in Picture 2. Keep everything else of Picture 1 exactly as it is.{keep}{wish}"
    )


def generate_prompt(environment: str, instructions: str, height_cm: float | None) -> str:
    """Picture 1 is the product."""
    place = ENVIRONMENTS.get(environment, environment)
    size = f" It is {height_cm:g} cm tall; keep the room true to that scale." if height_cm else ""
    wish = f" {instructions}" if instructions else ""
    return (
        f"Place the product of Picture 1 in {place}, as a photograph for a shop: the whole product in view and in "
        "focus, standing or hanging as it would be used, with natural shadows. Keep its shape, colour, texture and "
        f"text exactly as in Picture 1.{size}{wish}"
    )
