int probe(void)
{
	//@ todo
	return 0;
	//@ solution
	return 1;
	//@ end
}
